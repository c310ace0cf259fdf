"""What the end-to-end tests stand on: the daemon, its peers, clients, DNS. Standard library only."""
