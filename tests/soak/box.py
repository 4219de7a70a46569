"""box.py - an edge box that can be switched off: Debian's kernel under QEMU, gatewayd on a disk of its own.

What a cut takes: all memory, and what the drive had in its cache and was not told to flush (nbdkit keeps
that apart).  The box reaches this machine as 10.0.2.2; nothing reaches the box but the shell on its second
serial port.
"""

import glob
import os
import shutil
import socket
import subprocess
import time

from harness import Child, program, wait_until

HERE = "10.0.2.2"  # this machine, as the box sees it
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "crc32c_generic", "ext4")
DISK_MIB = 256
BOOT_S = 120

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/sbin:/bin:/usr/bin LD_LIBRARY_PATH=/lib
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/shm /run/gatewayd /var/lib/gatewayd; mount -t tmpfs shm /dev/shm
for m in %s; do modprobe $m; done
ifconfig lo 127.0.0.1; ifconfig eth0 10.0.2.15
mount -t ext4 -o noatime /dev/vda /var/lib/gatewayd || echo BOX: no disk
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>&1
echo "= 0"
while read -r line; do eval "$line"; echo "= $?"; done
"""


class Image:
    """What a box boots: a kernel, and a file system in memory with the programs of the build."""

    def __init__(self, folder, work):
        """`folder` is kept between runs: the packages are fetched once."""
        self.folder, self.root = folder, os.path.join(work, "root")
        os.makedirs(self.folder, exist_ok=True)
        self.packages = os.path.join(folder, "packages")
        if not os.path.isdir(self.packages):
            self.fetch()
        self.kernel = glob.glob(self.packages + "/boot/vmlinuz-*")[0]
        self.release = os.path.basename(self.kernel)[len("vmlinuz-"):]
        self.initrd = os.path.join(work, "initrd")
        self.fill()
        self.pack()

    def fetch(self):
        """A kernel is unpacked, not installed: this machine goes on booting what it boots."""
        say = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True, check=True)
        image = next(w for w in say.stdout.split() if w.startswith("linux-image-") and w != "linux-image-amd64")
        subprocess.run(["apt-get", "download", "-qq", image, "adjtimex"], cwd=self.folder, check=True)
        for deb in glob.glob(self.folder + "/*.deb"):
            subprocess.run(["dpkg", "-x", deb, self.packages + ".new"], check=True)
        os.rename(self.packages + ".new", self.packages)

    def fill(self):
        for d in ("bin", "sbin", "lib64", "etc", "proc", "sys", "dev", "tmp", "var/lib", "run", "lib/modules"):
            os.makedirs(os.path.join(self.root, d))
        shutil.copy("/bin/busybox", self.root + "/bin/busybox")
        shutil.copy(self.packages + "/sbin/adjtimex", self.root + "/sbin/")
        self.modules()
        prefix = os.path.join(self.root, "usr")
        for name in ("gatewayd", "gatewayctl"):
            self.program(program(name), prefix + "/bin")
        for name in ("modbus", "mqtt"):
            self.program(program("plugins/" + name), prefix + "/lib/gatewayd/plugins")
        with open(self.root + "/init", "w") as f:
            f.write(INIT % " ".join(MODULES))
        os.chmod(self.root + "/init", 0o755)

    def modules(self):
        to = os.path.join(self.root, "lib/modules", self.release)
        shutil.copytree(os.path.join(self.packages, "lib/modules", self.release), to,
                        ignore=lambda d, names: [n for n in names if n in ("sound", "gpu", "media", "wireless", "build")])
        subprocess.run(["depmod", "-b", self.root, self.release], check=True)
        say = subprocess.run(["modprobe", "-d", self.root, "-S", self.release, "--show-depends", "-a", *MODULES],
                             capture_output=True, text=True, check=True)
        needed = {os.path.realpath(line.split()[1]) for line in say.stdout.splitlines() if line.startswith("insmod")}
        for folder, _, names in os.walk(to + "/kernel"):
            for n in names:
                if os.path.realpath(os.path.join(folder, n)) not in needed:
                    os.unlink(os.path.join(folder, n))

    def program(self, path, folder):
        """With the libraries that it is linked to."""
        os.makedirs(folder, exist_ok=True)
        shutil.copy(path, folder)
        for line in subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout.splitlines():
            library = next((w for w in line.split() if w.startswith("/")), None)
            if library:
                shutil.copy(library, self.root + ("/lib64" if "/ld-linux" in library else "/lib"))

    def add(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        self.pack()

    def pack(self):
        subprocess.run("find . | cpio --quiet -o -H newc > %s" % self.initrd, shell=True, cwd=self.root, check=True)


class Box:
    def __init__(self, image, folder):
        self.image, self.folder = image, folder
        self.disk = self.path("disk.img")
        with open(self.disk, "wb") as f:
            f.truncate(DISK_MIB << 20)
        subprocess.run(["mkfs.ext4", "-q", self.disk], check=True)
        self.drive = self.machine = self.shell = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def switch_on(self, rtc="utc"):
        """`rtc`: what the clock of the box says, as QEMU's -rtc base=."""
        for name in ("drive.sock", "shell.sock"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        self.drive = Child(["nbdkit", "-f", "-U", self.path("drive.sock"), "--filter=cache", "file", self.disk,
                            "cache=writeback"], self.path("drive.log"), env={**os.environ, "TMPDIR": self.folder})
        wait_until(lambda: os.path.exists(self.path("drive.sock")), 20, "the drive is there")
        self.machine = Child(
            ["qemu-system-x86_64", "-accel", "tcg", "-m", "384", "-nodefaults", "-display", "none", "-no-reboot",
             "-kernel", self.image.kernel, "-initrd", self.image.initrd, "-append", "console=ttyS0 quiet panic=-1",
             "-drive", "file=nbd+unix:///?socket=%s,if=virtio,format=raw,cache=writeback" % self.path("drive.sock"),
             "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n", "-rtc", "base=" + rtc,
             "-serial", "file:" + self.path("console"), "-serial", "unix:%s,server=on,wait=off" % self.path("shell.sock")],
            self.path("machine.log"))
        wait_until(lambda: os.path.exists(self.path("shell.sock")), 20, "the machine is there")
        self.shell = socket.socket(socket.AF_UNIX)
        self.shell.connect(self.path("shell.sock"))
        self.shell.settimeout(BOOT_S)
        assert self._answer() == (0, ""), self.console()

    def run(self, line):
        """(exit code, what it printed) of a line of shell in the box."""
        self.shell.sendall(line.encode() + b"\n")
        return self._answer()

    def _answer(self):
        text = b""
        while not text.endswith(b"\n") or b"= " not in text.splitlines()[-1][:2]:
            more = self.shell.recv(4096)
            assert more, "the box is gone: " + self.console()
            text += more
        lines = text.decode(errors="replace").splitlines()
        return int(lines[-1][2:]), "\n".join(lines[:-1])

    def switch_off(self):
        """The plug is pulled.  Returns when, in seconds of this machine's clock."""
        for child in (self.machine, self.drive):
            child.send(9)
        when = time.time()
        for child in (self.machine, self.drive):
            child.kill()
        self.shell.close()
        return when

    def close(self):
        for child in (self.machine, self.drive):
            if child:
                child.kill()

    def console(self):
        with open(self.path("console"), errors="replace") as f:
            return f.read()[-3000:]
