"""pymodbus_server.py - a Modbus TCP server that nobody here wrote (pymodbus).

    pymodbus_server.py PORT FILE

FILE is JSON: {"holding": [...], "input": [...], "coil": [...], "discrete": [...]},
each the values from address 0.
"""

import json
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartTcpServer

with open(sys.argv[2]) as f:
    tables = json.load(f)


def block(name):
    return ModbusSequentialDataBlock(0, tables.get(name) or [0])


unit = ModbusSlaveContext(di=block("discrete"), co=block("coil"), hr=block("holding"), ir=block("input"),
                          zero_mode=True)
StartTcpServer(context=ModbusServerContext(slaves={1: unit}, single=False), address=("127.0.0.1", int(sys.argv[1])))
