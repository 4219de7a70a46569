/*
 * disk_shim.c - preloaded into gatewayd by the end-to-end tests: a disk that is slow or fails, as the
 * test has written into the file that GW_TEST_DISK names.  Only gatewayd itself has this disk, not
 * the plugins that it starts, and only what is written at a position (SQLite, the file of numbers)
 * and synced: the log and the links are not on it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct ills {
	int64_t sync_ms;    /* each sync takes so long */
	int64_t sync_errno; /* and fails so; 0: it does not */
	int64_t write_errno;
	int64_t syncs; /* counted here, for the test */
	int64_t held;  /* each sync is held in the kernel (state D) while this is not 0 */
};

static struct ills *ills(void)
{
	static struct ills *file;
	static int looked;
	const char *path = getenv("GW_TEST_DISK");
	int fd;

	if (looked || !path || strcmp(program_invocation_short_name, "gatewayd") != 0)
		return file;
	looked = 1;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		abort();
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		abort();
	return file;
}

static int fail_with(int64_t error)
{
	errno = (int)error;
	return -1;
}

/* In small steps: a disk that is healed in the middle of a long sync ends it. */
static void wait_as_ordered(volatile const struct ills *i)
{
	static const struct timespec step = { 0, 10 * 1000 * 1000 };

	for (int64_t waited = 0; waited < i->sync_ms; waited += 10)
		nanosleep(&step, NULL);
}

/* Who has called vfork() is not interruptible until its child has ended, as one that waits for a disk. */
static void be_held(volatile const struct ills *i)
{
	static const struct timespec step = { 0, 10 * 1000 * 1000 };
	pid_t parent = getpid(), child = vfork();

	if (child == 0) {
		while (i->held && getppid() == parent)
			nanosleep(&step, NULL);
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

static int sync_it(const char *name, int fd)
{
	struct ills *i = ills();
	int (*real)(int);

	*(void **)&real = dlsym(RTLD_NEXT, name);
	if (!i)
		return real(fd);
	__atomic_add_fetch(&i->syncs, 1, __ATOMIC_RELAXED);
	wait_as_ordered(i);
	if (i->held)
		be_held(i);
	return i->sync_errno ? fail_with(i->sync_errno) : real(fd);
}

int fsync(int fd)
{
	return sync_it("fsync", fd);
}

int fdatasync(int fd)
{
	return sync_it("fdatasync", fd);
}

static ssize_t write_it(const char *name, int fd, const void *bytes, size_t n, off_t at)
{
	struct ills *i = ills();
	ssize_t (*real)(int, const void *, size_t, off_t);

	*(void **)&real = dlsym(RTLD_NEXT, name);
	return i && i->write_errno ? fail_with(i->write_errno) : real(fd, bytes, n, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	return write_it("pwrite", fd, bytes, n, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
	return write_it("pwrite64", fd, bytes, n, at);
}
