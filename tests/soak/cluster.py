"""cluster.py - clusters of other brokers on loopback, from Debian's packages.

Each has nodes with a `port` for MQTT; kill(i) and start(i) take them down and up again.  What had to
be said to each of them so that it works is in docs/reliability.md.
"""

import os
import subprocess

from harness import Child, answers, free_port, wait_until


class Nats:
    """nats-server with JetStream, where MQTT sessions and messages with QoS 1 live."""
    name, package = "NATS", "nats-server"

    def __init__(self, folder, nodes=3):
        self.folder = folder
        self.ports = [free_port() for _ in range(nodes)]
        self.clients = [free_port() for _ in range(nodes)]
        self.routes = [free_port() for _ in range(nodes)]
        self.children = [None] * nodes
        for i in range(nodes):
            self.configure(i)
        for i in range(nodes):
            self.start(i, wait=False)
        for i in range(nodes):
            wait_until(lambda: answers(self.ports[i]), 60, "NATS node %d listens" % i, every=0.2)

    def configure(self, i):
        routes = ", ".join('"nats://127.0.0.1:%d"' % p for p in self.routes)
        with open(os.path.join(self.folder, "nats%d.conf" % i), "w") as f:
            f.write('server_name: n%d\nlisten: "127.0.0.1:%d"\n' % (i, self.clients[i]))
            f.write('jetstream {\n  store_dir: "%s/js%d"\n}\n' % (self.folder, i))
            f.write('cluster {\n  name: c\n  listen: "127.0.0.1:%d"\n  routes: [%s]\n}\n' % (self.routes[i], routes))
            f.write('mqtt {\n  listen: "127.0.0.1:%d"\n  ack_wait: "30s"\n  max_ack_pending: 10000\n'
                    '  stream_replicas: 3\n}\n' % self.ports[i])

    def start(self, i, wait=True):
        self.children[i] = Child(["/usr/sbin/nats-server", "-c", os.path.join(self.folder, "nats%d.conf" % i)],
                                 os.path.join(self.folder, "nats%d.log" % i))
        if wait:
            wait_until(lambda: answers(self.ports[i]), 60, "NATS node %d listens" % i, every=0.2)

    def kill(self, i):
        self.children[i].kill()

    def close(self):
        for child in self.children:
            if child:
                child.kill()


class Rabbit:
    """rabbitmq-server 3.10: three nodes, joined at start through their configuration."""
    name, package = "RabbitMQ", "rabbitmq-server"

    def __init__(self, folder, nodes=3):
        self.folder, self.n = folder, nodes
        self.ports = [free_port() for _ in range(nodes)]
        self.amqp = [free_port() for _ in range(nodes)]
        self.dist = [free_port() for _ in range(nodes)]
        self.epmd = free_port()
        self.children = [None] * nodes
        self.cookie()
        for i in range(nodes):
            self.start(i)

    def cookie(self):
        path = os.path.join(self.folder, ".erlang.cookie")
        with open(path, "w") as f:
            f.write("gatewaydtest")
        os.chmod(path, 0o600)

    def node(self, i):
        return "rmq%d@localhost" % i

    def environment(self, i):
        at = lambda name: os.path.join(self.folder, "rmq%d" % i, name)  # noqa: E731
        return {**os.environ, "HOME": self.folder, "RABBITMQ_NODENAME": self.node(i),
                "RABBITMQ_NODE_PORT": str(self.amqp[i]), "RABBITMQ_DIST_PORT": str(self.dist[i]),
                "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(self.epmd),
                "RABBITMQ_CONFIG_FILE": at("rabbitmq.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE": at("enabled_plugins"),
                "RABBITMQ_MNESIA_BASE": at("mnesia"), "RABBITMQ_LOG_BASE": at("log"),
                "RABBITMQ_PID_FILE": at("pid"), "RABBITMQ_FEATURE_FLAGS_FILE": at("flags"),
                "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_LOGS": "-",
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
                                                       "-setcookie gatewaydtest +sbwt none +S 2:2"}

    def write(self, i):
        folder = os.path.join(self.folder, "rmq%d" % i)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "rabbitmq.conf"), "w") as f:
            f.write("listeners.tcp.local = 127.0.0.1:%d\nmqtt.listeners.tcp.local = 127.0.0.1:%d\n"
                    "vm_memory_high_watermark.relative = 0.8\n"
                    "mqtt.default_user = guest\nmqtt.default_pass = guest\n"
                    "disk_free_limit.absolute = 50MB\ncluster_partition_handling = pause_minority\n"
                    "cluster_formation.peer_discovery_backend = classic_config\n" % (self.amqp[i], self.ports[i]))
            for k in range(self.n):
                f.write("cluster_formation.classic_config.nodes.%d = %s\n" % (k + 1, self.node(k)))
        with open(os.path.join(folder, "enabled_plugins"), "w") as f:
            f.write("[rabbitmq_mqtt].\n")

    def start(self, i, wait=True):
        self.write(i)
        self.children[i] = Child(["/usr/lib/rabbitmq/bin/rabbitmq-server"],
                                 os.path.join(self.folder, "rmq%d.log" % i), env=self.environment(i))
        if wait:
            wait_until(lambda: answers(self.ports[i]), 90, "RabbitMQ node %d listens" % i, every=0.3)

    def kill(self, i):
        self.children[i].kill()

    def close(self):
        for child in self.children:
            if child:
                child.kill()
        subprocess.run(["epmd", "-kill"], env={**os.environ, "ERL_EPMD_PORT": str(self.epmd)},
                       capture_output=True)
