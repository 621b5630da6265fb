"""What does a laptop do, and whom does it call? Diary, sessions, import, station."""
