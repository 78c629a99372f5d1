"""What a guest leaves."""

from django.db import models


class Entry(models.Model):
    """A line in the book, perhaps with a file."""

    name = models.CharField(max_length=80)
    message = models.TextField()
    attachment = models.FileField(blank=True)
    written = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-written", "-id"]
        verbose_name_plural = "entries"

    def __str__(self):
        return f"{self.name}: {self.message[:40]}"
