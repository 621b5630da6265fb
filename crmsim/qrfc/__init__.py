"""How is work passed on, once and in order? Queues that send and execute; blind to the content."""
