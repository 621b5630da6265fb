"""Where does it break? Many runs with drawn trouble, and the smallest that still shows it."""
