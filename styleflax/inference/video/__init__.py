"""Stylizing videos: reading, stylizing and writing frames without flicker."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.inference.video.clips import (
        find_clips,
        find_video_targets,
        open_clip,
        open_writer,
        read_rate,
    )
    from styleflax.inference.video.job import VideoJob, VideoWatcher, stylize_videos
    from styleflax.inference.video.stylizer import VideoStylizer, load_for_video

__all__ = [
    "VideoJob",
    "VideoStylizer",
    "VideoWatcher",
    "find_clips",
    "find_video_targets",
    "load_for_video",
    "open_clip",
    "open_writer",
    "read_rate",
    "stylize_videos",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "VideoJob": "job",
        "VideoStylizer": "stylizer",
        "VideoWatcher": "job",
        "find_clips": "clips",
        "find_video_targets": "clips",
        "load_for_video": "stylizer",
        "open_clip": "clips",
        "open_writer": "clips",
        "read_rate": "clips",
        "stylize_videos": "job",
    },
)
