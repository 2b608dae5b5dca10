# SPDX-License-Identifier: Apache-2.0
"""
A FastStream service: what `from-c` has is one JSON line on standard output; each JSON line on standard input goes to
`to-c` and is answered with one line. End of input stops it. Argument: the URL of Redis.
"""

import asyncio
import json
import sys

from faststream.redis import RedisBroker, RedisStreamMessage, StreamSub


def say(**line):
    print(json.dumps(line), flush=True)


async def serve(broker):
    @broker.subscriber(stream=StreamSub("from-c", group="faststream", consumer="python", polling_interval=50))
    async def tell(message: RedisStreamMessage):
        decoded = await message.decode()
        kind = type(decoded).__name__
        say(event="message", **{"from": "from-c"}, id=message.message_id, type=message.content_type, hex=message.body.hex(),
            headers=message.headers, decoded=[kind, decoded.hex() if kind == "bytes" else decoded])

    await broker.start()
    say(event="ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        wanted = json.loads(line)
        body = wanted["json"] if "json" in wanted else bytes.fromhex(wanted["hex"])
        if wanted.get("type") == "text/plain":
            body = body.decode()  # FastStream sets the type by what it is given
        headers = dict(wanted["headers"])
        if wanted.get("id"):
            headers["message_id"] = wanted["id"]
        try:
            await broker.publish(body, stream="to-c", headers=headers)
            say(event="sent")
        except Exception as error:
            say(event="sent", error=repr(error))
    await broker.stop()


asyncio.run(serve(RedisBroker(sys.argv[1], logger=None)))
