"""What an e-mail is, who it may go to, and what its templates say."""
