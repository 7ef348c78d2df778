"""The few mails a clinic's runtime sends about accounts: invitations and password resets."""
