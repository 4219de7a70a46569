"""pymodbus_rtu_server.py - a Modbus RTU server that nobody here wrote (pymodbus).

    pymodbus_rtu_server.py serial PATH | tcp PORT

Unit 1 holds n in holding register n, unit 2 1000 + n; input registers hold 100 more.
"""

import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartSerialServer, StartTcpServer
from pymodbus.transaction import ModbusRtuFramer


def unit(first):
    def block(n):
        return ModbusSequentialDataBlock(0, list(range(n, n + 200)))

    return ModbusSlaveContext(di=ModbusSequentialDataBlock(0, [0, 1] * 20), co=ModbusSequentialDataBlock(0, [1, 0] * 20),
                              hr=block(first), ir=block(first + 100), zero_mode=True)


context = ModbusServerContext(slaves={1: unit(0), 2: unit(1000)}, single=False)
if sys.argv[1] == "serial":
    StartSerialServer(context=context, framer=ModbusRtuFramer, port=sys.argv[2], baudrate=19200, parity="N",
                      ignore_missing_slaves=True)
else:
    StartTcpServer(context=context, framer=ModbusRtuFramer, address=("127.0.0.1", int(sys.argv[2])),
                   ignore_missing_slaves=True)
