"""From a video file to frame chunks in the blob store and jobs on the queue."""
