"""pymodbus_server.py - a Modbus TCP server that nobody here wrote (pymodbus).

    pymodbus_server.py PORT FILE [refuse|ignore]

FILE is JSON: {"holding": [...], "input": [...], "coil": [...], "discrete": [...]},
each the values from address 0.  It takes writes, refuses them all (exception 2), or confirms them and keeps
what it had.
"""

import json
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartTcpServer

with open(sys.argv[2]) as f:
    tables = json.load(f)


def block(name):
    return ModbusSequentialDataBlock(0, tables.get(name) or [0])


mood = sys.argv[3] if len(sys.argv) > 3 else ""
WRITES = (5, 6, 15, 16)


class Unit(ModbusSlaveContext):
    def validate(self, function, address, count=1):
        return not (mood == "refuse" and function in WRITES) and super().validate(function, address, count)

    def setValues(self, function, address, values):
        if mood != "ignore":
            super().setValues(function, address, values)


unit = Unit(di=block("discrete"), co=block("coil"), hr=block("holding"), ir=block("input"),
                          zero_mode=True)
StartTcpServer(context=ModbusServerContext(slaves={1: unit}, single=False), address=("127.0.0.1", int(sys.argv[1])))
