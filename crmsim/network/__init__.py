"""What becomes of a message on its way? Lines, faults and the map of sites."""
