"""aiortc calls: a tone in one direction, and what was heard of the other. Arguments: the door, a codec's name."""
import asyncio
import fractions
import json
import sys
import urllib.request

import av
import numpy
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

door, codec = sys.argv[1], sys.argv[2]


class Tone(AudioStreamTrack):
    """440 Hz at 48 kHz, in time."""

    def __init__(self):
        super().__init__()
        self.at = 0
        self.began = None

    async def recv(self):
        loop = asyncio.get_event_loop()
        self.began = self.began or loop.time()
        await asyncio.sleep(max(0, self.began + self.at / 48000 - loop.time()))
        turns = (self.at + numpy.arange(960)) * (440 / 48000)
        wave = (8000 * numpy.sin(2 * numpy.pi * turns)).astype(numpy.int16)
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, self.at, fractions.Fraction(1, 48000)
        self.at += 960
        return frame


def post(path, body):
    with urllib.request.urlopen(door + path, data=body.encode(), timeout=30) as answer:
        return answer.read().decode()


async def main():
    link, heard, done = RTCPeerConnection(), {"packets": 0, "energy": 0.0}, asyncio.Event()

    @link.on("track")
    def on_track(track):
        async def listen():
            try:
                while True:
                    wave = (await track.recv()).to_ndarray().astype(numpy.float64)
                    heard["packets"] += 1
                    heard["energy"] += float((wave**2).mean()) / 1e6
                    if heard["packets"] > 200:
                        done.set()
            except MediaStreamError:
                done.set()

        asyncio.ensure_future(listen())

    link.addTrack(Tone())
    known = RTCRtpSender.getCapabilities("audio").codecs
    link.getTransceivers()[0].setCodecPreferences([it for it in known if it.name.upper() == codec.upper()])
    await link.setLocalDescription(await link.createOffer())
    answer = await asyncio.to_thread(post, "offer", link.localDescription.sdp)
    await link.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    try:
        await asyncio.wait_for(done.wait(), 30)
    finally:
        await asyncio.to_thread(post, "result", json.dumps(heard))
        await link.close()


asyncio.run(main())
