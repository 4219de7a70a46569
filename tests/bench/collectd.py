"""collectd.py - a configuration of Debian's collectd for the plant's bench devices.

Modbus: one Data block a register, as its plugin wants it, ten read threads.
MQTT: QoS 1, so that it is held to the same promise.
"""

TEMPLATE = """\
BaseDir "{folder}"
PIDFile "{folder}/collectd.pid"
TypesDB "/usr/share/collectd/types.db"
Hostname "bench"
FQDNLookup false
Interval {interval}
ReadThreads 10
WriteThreads 5
LoadPlugin modbus
LoadPlugin mqtt
<Plugin mqtt>
  <Publish "bench">
    Host "127.0.0.1"
    Port {broker}
    ClientId "collectd"
    QoS 1
    Prefix "collectd"
    StoreRates false
  </Publish>
</Plugin>
<Plugin modbus>
{data}
{hosts}
</Plugin>
"""
DATA = """\
  <Data "r{n}">
    RegisterBase {n}
    RegisterType Uint16
    RegisterCmd ReadHolding
    Type gauge
    Instance "r{n}"
  </Data>"""
HOST = """\
  <Host "{name}">
    Address "127.0.0.1"
    Port "{port}"
    Interval {interval}
    <Slave 1>
      Instance "bench"
{collect}
    </Slave>
  </Host>"""


def configuration(folder, broker, ports, registers, interval_s):
    """`ports`: name of a device to its port."""
    collect = "\n".join('      Collect "r%d"' % n for n in range(registers))
    return TEMPLATE.format(
        folder=folder, interval=interval_s, broker=broker,
        data="\n".join(DATA.format(n=n) for n in range(registers)),
        hosts="\n".join(HOST.format(name=name, port=port, interval=interval_s, collect=collect)
                        for name, port in ports.items()))
