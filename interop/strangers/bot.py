"""A voice bot on the websockets library, by the published guide of Media Streams: says again so many frames as it hears, has
itself told when the last was heard, and then stops. Arguments: address, port, key, chain, frames."""
import asyncio
import json
import ssl
import sys

import websockets

ADDRESS, PORT, KEY, CHAIN, FRAMES = sys.argv[1:]


async def talk(socket):
    heard, stream = 0, None

    async def say(event, **what):
        await socket.send(json.dumps({"event": event, "streamSid": stream, **what}))

    async for text in socket:
        message = json.loads(text)
        event = message["event"]
        if event == "start":
            stream = message["start"]["streamSid"]
            print("start", message["start"]["customParameters"]["who"], flush=True)
        elif event == "media" and heard < int(FRAMES):
            heard += 1
            await say("media", media={"payload": message["media"]["payload"]})
            if heard == int(FRAMES):
                await say("mark", mark={"name": "end"})
        elif event == "mark":
            print("mark", message["mark"]["name"], flush=True)
            await say("stop", stop={"value": {"heard": heard}})
        elif event == "stop":
            print("stopped", flush=True)
    print("closed", socket.close_code, flush=True)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CHAIN, KEY)
    async with websockets.serve(talk, ADDRESS, int(PORT), ssl=context):
        print("ready", flush=True)
        await asyncio.Future()


asyncio.run(main())
