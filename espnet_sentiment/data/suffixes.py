"""What names of recordings end in, in lower case."""

# Of what libsndfile reads (https://libsndfile.github.io/libsndfile).
SOUNDFILE_SUFFIXES = frozenset(
    (
        *(".aif", ".aifc", ".aiff", ".au", ".avr", ".caf", ".flac", ".mp1", ".mp2"),
        *(".mp3", ".nist", ".oga", ".ogg", ".opus", ".rf64", ".sd2", ".snd", ".sph"),
        *(".voc", ".w64", ".wav", ".wave"),
    )
)
# Of what FFmpeg's libraries read besides (https://ffmpeg.org/ffmpeg-formats.html);
# of videos, the sound.
FFMPEG_SUFFIXES = frozenset(
    (
        *(".3g2", ".3ga", ".3gp", ".3gpp", ".aac", ".ac3", ".adts", ".amr", ".ape"),
        *(".asf", ".avi", ".awb", ".dts", ".eac3", ".f4v", ".flv", ".m2ts", ".m4a"),
        *(".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mpga"),
        *(".mts", ".ogv", ".ogx", ".qt", ".spx", ".ts", ".tta", ".vob", ".weba"),
        *(".webm", ".wma", ".wmv", ".wv"),
    )
)
# What is read as a recording in folders; a file that is named itself may have any name.
RECORDING_SUFFIXES = SOUNDFILE_SUFFIXES | FFMPEG_SUFFIXES
