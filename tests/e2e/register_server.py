"""register_server.py - Modbus TCP servers that nobody here wrote (pymodbus), with a map each.

    register_server.py FILE

FILE is JSON: {port: {unit: {"holding": {address: value}, "input": ..., "coil": ..., "discrete": ...}}}.
An address that is not in the map answers exception 2.
"""

import asyncio
import json
import sys

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server import StartAsyncTcpServer

with open(sys.argv[1]) as f:
    ports = json.load(f)


def block(tables, name):
    # an empty map is refused, so one address stands where no profile has a point
    return ModbusSparseDataBlock({int(a): v for a, v in tables.get(name, {}).items()} or {65535: 0})


def unit(tables):
    return ModbusSlaveContext(di=block(tables, "discrete"), co=block(tables, "coil"),
                              hr=block(tables, "holding"), ir=block(tables, "input"), zero_mode=True)


async def main():
    await asyncio.gather(*(
        StartAsyncTcpServer(context=ModbusServerContext(slaves={int(u): unit(t) for u, t in units.items()},
                                                        single=False), address=("127.0.0.1", int(port)))
        for port, units in ports.items()))


asyncio.run(main())
