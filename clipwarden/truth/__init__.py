"""What people say is in media: truth files read, told in a prompt set's labels, and looked at."""
