"""How CRM loads what other systems have, compares itself with them, and repairs what differs."""
