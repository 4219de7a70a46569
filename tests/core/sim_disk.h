/*
 * sim_disk.h - what happens to the files: the store's worker works when the schedule says so; a kill
 * keeps the files and the ring as they are at that instant, a power cut what a disk may have
 * of what was synced, without the ring; writes fail, syncs fail, the disk is full.
 *
 * The daemon that was killed is let to its end afterwards, so that nothing leaks; then the files
 * are put back to what they were.
 */
#ifndef GW_TESTS_SIM_DISK_H
#define GW_TESTS_SIM_DISK_H

#include <sys/statvfs.h>

#include "core/store_worker.h"
#include "disk_cut.h"
#include "hook_vfs.h"
#include "sim.h"

struct sim_file {
	char path[200];
	char *bytes;
	size_t size;
};

static struct sim_disk {
	char base[64], data[80], ring[80], config[80];
	struct gw_worker *worker;
	struct sim_file kept[16];
	size_t nkept;
	struct disk_log *log; /* of a life that ends with a power cut */
	size_t cut_at;
	bool power;           /* the end that is meant is a power cut */
	unsigned ops, sends;  /* so many until the end; 0: not by this */
} disk;

/* ---- the worker ---- */

struct gw_worker {
	gw_work_fn *fn;
	void *arg;
};

int gw_worker_start(struct gw_worker **out, gw_work_fn *fn, void *arg)
{
	*out = malloc(sizeof(**out));
	if (!*out)
		abort();
	**out = (struct gw_worker){ fn, arg };
	disk.worker = *out;
	return 0;
}

void gw_worker_wake(struct gw_worker *w)
{
	(void)w;
}

void gw_worker_stop(struct gw_worker *w)
{
	while (w && w->fn(w->arg) >= 0)
		;
	free(w);
	disk.worker = NULL;
}

/* One request, or what is done in idle time. */
static void sim_store_turn(void)
{
	if (disk.worker)
		disk.worker->fn(disk.worker->arg);
}

/* ---- a disk that is full ---- */

int statvfs(const char *path, struct statvfs *s)
{
	long long room = atomic_load(&hook_room);

	(void)path;
	*s = (struct statvfs){ .f_bsize = 4096, .f_frsize = 4096, .f_files = 1000, .f_favail = 900 };
	s->f_blocks = 1 << 24;
	s->f_bfree = s->f_bavail = room < 0 ? 1 << 23 : (fsblkcnt_t)(room / 4096);
	return 0;
}

static void sim_disk_heals(void)
{
	disk_syncs_fail(false);
	atomic_store(&hook_room, -1);
	atomic_store(&hook_fail_syncs, 0);
	atomic_store(&hook_fail_writes, 0);
}

/* ---- the end of a life ---- */

static void sim_keep(const char *path)
{
	struct sim_file *f = &disk.kept[disk.nkept];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat s;

	if (fd < 0 || disk.nkept == 16 || fstat(fd, &s) < 0)
		abort();
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->size = (size_t)s.st_size;
	f->bytes = malloc(f->size + 1);
	if (!f->bytes || pread(fd, f->bytes, f->size, 0) != (ssize_t)f->size)
		abort();
	close(fd);
	disk.nkept++;
}

/* Means nothing after the end of a process, or holds nothing. */
static bool sim_may_stay(const char *name)
{
	return name[0] == '.' || strstr(name, "-shm") || strstr(name, ".lock") || strstr(name, ".reserve");
}

static void sim_each_file(void (*fn)(const char *path))
{
	DIR *dir = opendir(disk.data);
	struct dirent *e;
	char path[400];

	if (!dir)
		abort();
	while ((e = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", disk.data, e->d_name);
		if (!sim_may_stay(e->d_name))
			fn(path);
	}
	closedir(dir);
}

/* The end, now. */
static void sim_end_now(void)
{
	disk.ops = disk.sends = 0;
	sim.killed = true;
	sim.next_at_end = sim.reads ? sim.reads->next_seq : 0;
	sim.reserved_at_end = sim.reads ? sim.reads->reserved : 0;
	sim_disk_heals();
	sim_note("%s", disk.power ? "POWER CUT" : "KILL");
	if (disk.power) {
		disk.cut_at = disk_now();
		return;
	}
	sim_each_file(sim_keep);
	if (access(disk.ring, F_OK) == 0)
		sim_keep(disk.ring);
}

static void sim_each_operation(void)
{
	if (disk.ops && !sim.killed && --disk.ops == 0)
		sim_end_now();
}

static void sim_remove(const char *path)
{
	unlink(path);
}

static void sim_put_back(void)
{
	sim_each_file(sim_remove);
	unlink(disk.ring);
	for (size_t i = 0; i < disk.nkept; i++) {
		struct sim_file *f = &disk.kept[i];
		int fd = open(f->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (fd < 0 || pwrite(fd, f->bytes, f->size, 0) != (ssize_t)f->size)
			abort();
		close(fd);
		free(f->bytes);
	}
	disk.nkept = 0;
}

static void sim_lay_out(void)
{
	struct disk *d = disk_new(disk.log);

	disk_advance(d, disk.cut_at);
	disk_lay_out(d, sim_one_in(2) ? DISK_STRICT : DISK_RANDOM, sim_random());
	disk_free(d);
	unlink(disk.ring);
}

static void sim_life_begins(bool power)
{
	disk.power = power;
	disk.ops = disk.sends = 0;
	disk.log = power ? disk_record(disk.data) : NULL;
}

/* The daemon has ended, by itself or not. */
static void sim_life_ends(void)
{
	if (disk.log)
		disk_stop();
	if (sim.killed && disk.power)
		sim_lay_out();
	else if (sim.killed)
		sim_put_back();
	if (disk.log)
		disk_forget(disk.log);
	disk.log = NULL;
}

/* ---- the folder ---- */

static void sim_write_file(const char *name, const char *text, int mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

static void sim_folder_make(void)
{
	char path[100];

	snprintf(disk.base, sizeof(disk.base), "/dev/shm/test_simulation.XXXXXX");
	if (!mkdtemp(disk.base))
		abort();
	snprintf(disk.data, sizeof(disk.data), "%s/data", disk.base);
	snprintf(disk.ring, sizeof(disk.ring), "%s/ring", disk.base);
	snprintf(disk.config, sizeof(disk.config), "%s/c.yaml", disk.base);
	snprintf(path, sizeof(path), "%s/plugins", disk.base);
	if (mkdir(disk.data, 0700) || mkdir(path, 0700))
		abort();
	snprintf(path, sizeof(path), "%s/plugins/sim", disk.base);
	sim_write_file(path, "#!/bin/true\n", 0700);
}

static void sim_folder_remove(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf '%s'", disk.base);
	if (system(command) != 0)
		abort();
}

#endif
