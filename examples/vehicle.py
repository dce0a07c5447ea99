"""A vehicle in a few lines: attaches, sends a position a second, reads the acks, does commands, says goodbye.

    apt install python3-websockets      (or: pip install websockets)
    python3 examples/vehicle.py ws://127.0.0.1:7701/v1/obu PY-0001 [positions]

It leaves with an error unless every position was acked: acked means that it is on the gateway's disk.
docs/protocol.md tells the whole protocol; a real vehicle also keeps what is not acked and attaches again.
"""
import asyncio, json, random, sys, time
import websockets


async def drive(url, vehicle, positions=5):
    async with websockets.connect(url, subprotocols=["waygate.v1.json"]) as socket:
        done = set()

        async def say(**message):
            await socket.send(json.dumps(message))

        async def hear(kind):
            while True:
                message = json.loads(await asyncio.wait_for(socket.recv(), 15))
                if message["type"] == "command":
                    known = message["id"] in done  # a command is sent at least once and done at most once
                    done.add(message["id"])
                    print("command", message["name"], message.get("arguments"))
                    await say(type="command_status", id=message["id"], state="duplicate" if known else "succeeded")
                if message["type"] == kind:
                    return message
                if message["type"] in ("attach_reject", "detach_order", "error"):
                    sys.exit(f"the gateway says: {message}")

        await say(type="attach_request", vehicle=vehicle, spool={"id": str(random.getrandbits(64))})
        print("attached, session", (await hear("attach_accept"))["session"])
        for seq in range(1, positions + 1):
            await say(type="telemetry", first_seq=seq, records=[{
                "t": int(time.time() * 1000), "lat": 49.6100 + seq * 1e-4, "lon": 6.1300, "speed": 11.1, "heading": 0}])
            while int((await hear("telemetry_ack"))["through"]) < seq:
                pass
            print("acked", seq)
            await asyncio.sleep(1)
        await say(type="detach", cause="shutdown")


if len(sys.argv) < 3:
    sys.exit(__doc__)
asyncio.run(drive(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 5))
