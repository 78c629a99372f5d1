"""Has no `application`."""
