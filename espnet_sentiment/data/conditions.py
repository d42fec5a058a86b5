"""The names of what ``degrade`` does to recordings, and what tables call them.

Apart from what computes it, so that a command's help imports nothing heavy.
"""

SNRS = (20, 10, 0)  # dB
MP3, OPUS = (32, 16), (12, 6)  # kbit/s
RT60S = (0.3, 0.6, 1.0)  # s
CLIPPED = (5, 20)  # %
TITLES = {
    **{f"white_{snr}": f"white noise, {snr} dB" for snr in SNRS},
    **{f"babble_{snr}": f"babble, {snr} dB" for snr in SNRS},
    "telephone": "telephone band, 300 to 3400 Hz",
    "mu_law": "mu-law, 8 bit, 8 kHz",
    **{f"mp3_{kilobits}": f"MP3, {kilobits} kbit/s" for kilobits in MP3},
    **{f"opus_{kilobits}": f"Opus, {kilobits} kbit/s" for kilobits in OPUS},
    **{f"reverb_{rt60}": f"reverberation, RT60 {rt60} s" for rt60 in RT60S},
    **{f"clip_{share}": f"{share} % clipped" for share in CLIPPED},
}
