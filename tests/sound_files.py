"""Recordings in any container and codec that PyAV writes, and files that are none."""

import struct
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from espnet_sentiment.data.audio import resample

SOURCE = 16000  # Hz of the speech that is written


# Others would be taken first.
FORMATS = {"alac": "s16p", "tta": "s16", "wavpack": "s16p"}


class Kind(NamedTuple):
    """A combination; ``bits`` is what a lossless one keeps, None marks lossy ones."""

    suffix: str
    muxer: str
    codec: str
    rate: int
    channels: int = 1
    bits: int | None = None
    picture: bool = False

    @property
    def name(self) -> str:
        """A name for a test, and for a file."""
        picture = "_video" if self.picture else ""
        return f"{self.muxer}_{self.codec}_{self.rate}_{self.channels}{picture}"


KINDS = [
    Kind(".wav", "wav", "pcm_s16le", 16000, 1, 16),
    Kind(".wav", "wav", "pcm_s16le", 44100, 2, 16),
    Kind(".wav", "wav", "pcm_s24le", 48000, 1, 16),
    Kind(".wav", "wav", "pcm_u8", 16000, 1, 8),
    Kind(".wav", "wav", "pcm_f32le", 22050, 1, 16),
    Kind(".w64", "w64", "pcm_s32le", 32000, 2, 16),
    Kind(".aiff", "aiff", "pcm_s16be", 16000, 1, 16),
    Kind(".au", "au", "pcm_s16be", 11025, 1, 16),
    Kind(".caf", "caf", "pcm_s16be", 16000, 1, 16),
    Kind(".voc", "voc", "pcm_u8", 8000, 1, 8),
    Kind(".flac", "flac", "flac", 16000, 1, 16),
    Kind(".oga", "ogg", "flac", 48000, 2, 16),
    Kind(".m4a", "ipod", "alac", 16000, 1, 16),
    Kind(".m4a", "ipod", "alac", 44100, 2, 16),
    Kind(".mov", "mov", "pcm_s16be", 44100, 2, 16),
    Kind(".mov", "mov", "pcm_s24le", 16000, 1, 16, picture=True),
    Kind(".mp4", "mp4", "flac", 16000, 1, 16),
    Kind(".mka", "matroska", "pcm_s16le", 16000, 1, 16),
    Kind(".mkv", "matroska", "flac", 48000, 2, 16, picture=True),
    Kind(".mka", "matroska", "pcm_f32le", 22050, 2, 16),
    Kind(".mka", "matroska", "tta", 16000, 1, 16),
    Kind(".wv", "wv", "wavpack", 16000, 1, 16),
    Kind(".tta", "tta", "tta", 44100, 2, 16),
    Kind(".avi", "avi", "pcm_s16le", 16000, 1, 16, picture=True),
    Kind(".m4a", "ipod", "aac", 44100, 1),
    Kind(".m4a", "ipod", "aac", 16000, 1),
    Kind(".mp4", "mp4", "aac", 48000, 2, picture=True),
    Kind(".3gp", "3gp", "aac", 22050, 1),
    Kind(".aac", "adts", "aac", 16000, 1),
    Kind(".mkv", "matroska", "aac", 44100, 2, picture=True),
    Kind(".ts", "mpegts", "aac", 48000, 1),
    Kind(".flv", "flv", "aac", 44100, 1),
    Kind(".webm", "webm", "libopus", 48000, 1),
    Kind(".webm", "webm", "libopus", 48000, 2),
    Kind(".opus", "ogg", "libopus", 16000, 1),
    Kind(".mp3", "mp3", "libmp3lame", 16000, 1),
    Kind(".mp3", "mp3", "libmp3lame", 44100, 2),
    Kind(".mp3", "mp3", "libmp3lame", 22050, 1),
    Kind(".avi", "avi", "libmp3lame", 44100, 1, picture=True),
    Kind(".mp2", "mp2", "mp2", 48000, 2),
    Kind(".mpg", "mpeg", "mp2", 44100, 1),
    Kind(".ac3", "ac3", "ac3", 48000, 2),
    Kind(".mkv", "matroska", "eac3", 48000, 1),
    Kind(".wma", "asf", "wmav2", 44100, 2),
    Kind(".wma", "asf", "wmav1", 16000, 1),
    Kind(".wav", "wav", "adpcm_ms", 16000, 1),
    Kind(".wav", "wav", "adpcm_ima_wav", 22050, 2),
    Kind(".wav", "wav", "pcm_mulaw", 8000, 1),
    Kind(".wav", "wav", "pcm_alaw", 8000, 2),
    Kind(".mov", "mov", "adpcm_ima_qt", 22050, 1),
]


def write_sound(path: Path, kind: Kind, speech: np.ndarray) -> np.ndarray:
    """Write speech (N,) at 16 kHz; return what was encoded, (N2, channels) at a rate.

    The second channel is the first one at half the level.
    """
    samples = resample(speech, SOURCE, kind.rate)
    samples = samples[:, None] * np.array([1.0, 0.5], np.float32)[: kind.channels]
    pcm = np.round(32767 * samples).astype(np.int16)
    layout = ("mono", "stereo")[kind.channels - 1]
    with av.open(str(path), "w", format=kind.muxer) as container:
        stream = container.add_stream(kind.codec, kind.rate, layout=layout)
        codec = stream.codec_context
        codec.time_base = Fraction(1, kind.rate)
        if kind.codec in FORMATS:
            codec.format = FORMATS[kind.codec]
        if kind.bits is None:
            codec.bit_rate = 64_000 * kind.channels
        video = _add_video(container) if kind.picture else None
        if video is not None:
            _write_pictures(container, video)
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), "s16", layout)
        frame.sample_rate, frame.pts = kind.rate, 0
        frame.time_base = Fraction(1, kind.rate)
        # The encoder's own format, and frames of its size.
        resampler = av.AudioResampler(codec.format, layout, kind.rate)
        fifo = av.AudioFifo()
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            fifo.write(part)
        size = codec.frame_size or 1024
        while (part := fifo.read(size)) or (part := fifo.read(0, partial=True)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return pcm.astype(np.float32) / 32768


def _add_video(container):
    video = container.add_stream("mpeg4", 25)
    video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
    return video


def _write_pictures(container, video) -> None:
    for index in range(5):
        grey = np.full((48, 64, 3), 40 * index, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, "rgb24").reformat(format="yuv420p")
        container.mux(video.encode(frame))
    container.mux(video.encode(None))


def ffmpeg_mono(path: Path) -> np.ndarray:
    """Return what ``ffmpeg -i x -ac 1 -ar 16000 -f s16le -`` gives, as float32."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "mono", 16000)
        frames = []
        for frame in container.decode(audio=0):
            frame.pts = None
            frames += resampler.resample(frame)
        frames += resampler.resample(None)
    parts = [frame.to_ndarray()[0] for frame in frames]
    return np.concatenate(parts).astype(np.float32) / 32768


def video_alone(path):
    with av.open(str(path), "w", format="matroska") as container:
        video = container.add_stream("mpeg4", 25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
        container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode(None))
    return path.read_bytes()


def archive(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.wav", b"RIFF")
    return path.read_bytes()


def mp4_without_its_index(path):
    return b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom\0\0\x10\0mdat" + bytes(2000)


def protected(path):
    entry = b"\0\0\0\x20drms" + bytes(24)
    moov = struct.pack(">I", 8 + len(entry)) + b"moov" + entry
    return b"\0\0\0\x18ftypM4P \0\0\0\0M4A isom" + moov


GUID = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_DRM = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
NO_AUDIO = {
    "lfs.wav": (LFS, "a Git LFS pointer.*run 'git lfs pull'"),
    "annex.flac": (b"/annex/objects/SHA256E-s1--a.flac\n", "run 'git annex get'"),
    "page.mp3": (b"\n<!DOCTYPE html>\n<html><body>Sign in</body>", "HTML.*download"),
    "bom.mp3": (b"\xef\xbb\xbf<html lang='en'>", "an HTML page.*download failed"),
    "denied.wav": (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "XML.*downlo"),
    "json.wav": (b'{"error": "quota exceeded"}', "JSON.*download failed"),
    "text.wav": (b"Transcript of the first call.\n" * 9, "text.*restore it"),
    "empty.wav": (b"", "empty.*restore it"),
    "zeros.wav": (bytes(5000), "zero bytes.*copy or download it again"),
    "zip.wav": (archive, "a ZIP archive.*unpack it"),
    "gzip.wav": (b"\x1f\x8b\x08" + bytes(range(99)), "a gzip archive.*unpack it"),
    "tar.wav": (b"a.wav".ljust(257, b"\0") + b"ustar\x0000", "a tar archive.*unpack"),
    "list.m3u8": (b"#EXTM3U\n#EXTINF:10,\na.wav\n", "a playlist.*name the recordings"),
    "song.mid": (b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk", "a MIDI score"),
    "openssl.wav": (b"Salted__" + bytes(range(200)), "encrypted by OpenSSL.*decrypt"),
    "book.m4p": (protected, r"encrypted \(DRM\).*without protection"),
    "drm.wma": (GUID + bytes(14) + ASF_DRM, "encrypted .*Windows Media.*without prot"),
    "film.mkv": (video_alone, "holds no sound, only video: name the file that holds"),
    "killed.m4a": (mp4_without_its_index, r"MP4 without its index \(moov\).*restore"),
    "array.npy": (b"\x93NUMPY\x01\0v\0{'descr': '<f4'}", "a NumPy array.*from Python"),
    "noise.wav": (np.random.default_rng(0).bytes(5000), "cannot be read as audio"),
}


def write_no_audio(folder: Path, name: str) -> Path:
    """Write one of the files of ``NO_AUDIO``."""
    content, path = NO_AUDIO[name][0], folder / name
    path.write_bytes(content(path) if callable(content) else content)
    return path
