"""A form with an upload, a download, and a stream."""

import time

from django.http import FileResponse, Http404, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from .forms import EntryForm
from .models import Entry


def index(request):
    """The book, and a form to write into it."""
    form = EntryForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("index")
    process_group = request.META.get("mod_wsgi.process_group")
    context = {"form": form, "entries": Entry.objects.all()[:20], "process_group": process_group}
    return render(request, "guestbook/index.html", context)


def download(request, entry_id):
    """The file which a guest has left."""
    entry = get_object_or_404(Entry, pk=entry_id)
    if not entry.attachment:
        raise Http404("no file was left with this entry")
    return FileResponse(entry.attachment.open("rb"), as_attachment=True)


def stream(request):
    """Ten lines, one after the other."""

    def lines():
        for number in range(10):
            yield f"line {number}\n"
            time.sleep(0.1)

    return StreamingHttpResponse(lines(), content_type="text/plain")
