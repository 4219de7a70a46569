/*
 * store_private.h - what the files of the store share: the database as its
 * thread sees it, and the requests that travel between the loop and the thread.
 *
 * Everything named gw_db_* is called by the thread only (and by open and close,
 * when there is no thread).  These return SQLite's result codes; gw_db_err()
 * makes an error value of one at the edge.
 */
#ifndef GW_CORE_STORE_PRIVATE_H
#define GW_CORE_STORE_PRIVATE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "core/image.h"
#include "core/schema.h"
#include "core/seqfile.h"
#include "core/store.h"

enum {
	GW_ROWS_A_TURN = 2000,      /* purged at each commit, in quiet times */
	GW_ROWS_LOOKED_AT = 20000,  /* by one fetch, and by a purge that makes room */
	GW_LOSSES_KEPT = 10000,     /* acknowledged loss records */
};

enum gw_statement {
	GW_SQL_BEGIN, GW_SQL_COMMIT, GW_SQL_ROLLBACK,
	GW_SQL_INSERT, GW_SQL_INSERT_OLD, GW_SQL_WALK, GW_SQL_BODY, GW_SQL_DELETE, GW_SQL_OLDEST, GW_SQL_NEWEST,
	GW_SQL_DEVICES, GW_SQL_DEVICE_ADD, GW_SQL_DEVICE_SET,
	GW_SQL_SINKS, GW_SQL_SINK_PUT,
	GW_SQL_DUES, GW_SQL_DUE_PUT, GW_SQL_DUE_DELETE,
	GW_SQL_LOSSES, GW_SQL_LOSS_PUT, GW_SQL_LOSS_FORGET, GW_SQL_LOSS_DELETE,
	GW_SQL_LAYOUTS, GW_SQL_LAYOUT_LAST, GW_SQL_LAYOUT_ADD,
	GW_SQL_WINDOW_BEFORE, GW_SQL_WINDOW_BEHIND, GW_SQL_WINDOW_PUT, GW_SQL_WINDOW_DELETE, GW_SQL_WINDOW_DROP,
	GW_SQL_WINDOW_WALK, GW_SQL_WINDOW_BODY, GW_SQL_WINDOW_SHORT, GW_SQL_WINDOW_RANGES,
	GW_SQL_FIXED, GW_SQL_FIXED_PUT,
	GW_SQL_LAYOUTS_OLD, GW_SQL_LAYOUT_DELETE,
	GW_SQL_STATES, GW_SQL_STATE_PUT, GW_SQL_STATE_DELETE,
	GW_SQL_META, GW_SQL_META_PUT, GW_SQL_BOOT, GW_SQL_BOOTS, GW_SQL_BOOT_ADD,
	GW_SQL_BOOT_KEEP,
	GW_SQL_WAL_MARK,
	GW_SQL_PAGES, GW_SQL_FREE_PAGES, GW_SQL_UNDO_COUNT, GW_SQL_UNDO, GW_SQL_CHECK,
	GW_STATEMENTS,
};

struct gw_device_row {
	uint16_t number;
	char *name;
	uint64_t first, next;  /* as committed */
	uint64_t given;        /* all below may have been given: what an orderly close writes to .seq */
	uint64_t reserved;     /* the bound in .seq */
	uint64_t rate;         /* readings an hour */
	uint64_t readings;
	uint64_t skipped;      /* highest seq that lies behind the purge's cursor because it was due */
	uint64_t pending_next; /* in the open transaction */
	int64_t pending_readings;
	bool registered; /* in this process */
	bool settled;    /* a commit of this process said what was given */
};

struct gw_sink_row {
	uint16_t number;
	char *name;
	uint64_t session;
	bool present; /* in the configuration */
	bool changed; /* session, since the last commit */
	uint64_t fixed; /* its windows up to this id were handed out: they change no more */
};

struct gw_due_set {
	uint16_t device, sink;
	struct gw_ranges set;
};

/*
 * Where the purge stands.  Behind `cursor` lie only rows that were due when it
 * passed.  `again`: some of them are not any more.  It starts over when it has
 * walked at least `budget` rows: twice as far as it last found something.
 */
struct gw_purge {
	uint64_t cursor, walked, deepest, budget;
	bool again;
	bool at_end;   /* no rows behind the cursor */
	bool at_young; /* the next row stays only for its age */
};

/* The mark that the next WAL begins with; store_wal.c. */
struct gw_wal {
	int limit;       /* frames, from which on it is moved into the database; 0: no connection yet */
	int frames, moved;
	bool due;        /* it may begin anew with the next transaction, which then carries a mark */
	bool marked;     /* the open one does */
	char before[24]; /* as it was when the transaction began */
};

/* Where a verification stands: readings, then windows. */
struct gw_verify_at {
	uint64_t id; /* of the next row */
	bool windows;
};

/* The verification in slices; store_verify.c. */
struct gw_walk {
	struct gw_verify_at at;
	uint8_t *layout; /* flags, by number */
	size_t nlayouts;
	uint64_t commits, failed_commits; /* at the end of the walk before */
};

/* Readings on their way from a database that was put aside; store_salvage.c. */
struct gw_salvage {
	char aside[512]; /* "": it has no name any more */
	int fd;          /* -1: none */
	struct gw_image *image; /* NULL: nothing to do */
	bool due_known, sinks_known; /* could be read */
	bool mixed;      /* the WAL beside it was not its own */
	uint64_t at;     /* the next page */
	uint64_t given;  /* pages below were given back to a full disk */
	uint64_t slice;  /* pages at a time; 0: the usual */
	uint64_t below;  /* ids of its rows */
	uint64_t rows;   /* moved */
};

struct gw_db {
	char *path;
	sqlite3 *sql; /* NULL: to be opened again at the next request */
	sqlite3_stmt *stmt[GW_STATEMENTS];
	struct gw_seqfile *seq;
	int lock; /* descriptor of <path>.lock */
	int file;          /* descriptor of the database file, to read it by when it was removed */
	dev_t file_device; /* is it still there? */
	ino_t file_inode;
	bool running;      /* the open is over: memory knows devices, sinks, due sets and ids */
	bool damaged;      /* not to be used any more */
	bool sinks_forgotten; /* the list of sinks could not be read: salvage waits for the configured ones */
	bool renewing;     /* put aside, and the new one not ready yet */
	sqlite3 *former;   /* of a file that was removed, until its books are taken over */
	struct gw_salvage salvage;
	struct gw_wal wal;
	unsigned old_removed; /* that had been put aside earlier */
	char buffer[37], boot[64]; /* identifiers; boot_number is what readings carry */
	uint32_t boot_number;
	int64_t idle_ms, idle_at_ms; /* between slices of verification; when the next is due */
	struct gw_walk walk;         /* of the verification */
	gw_store_event_fn *tell;     /* hands an event to the loop; NULL while opening */
	void *tell_arg;
	uint64_t max_pages, wal_room, reserve_size;
	uint64_t disk_pages; /* the disk is full and the reserve is spent: the file may not grow beyond; 0: it may */
	int64_t history_ms, build_ms;
	bool reserve; /* <path>.reserve is there */
	int64_t reserve_tried_ms;
	int step_errno; /* of the statement that failed last */
	bool purge_off; /* a page in the purge's way is damaged */
	bool numbers_end; /* all that were given are in the commit that was the last */
	uint64_t joined; /* windows up to this id are as long as they get */

	struct gw_device_row *device; /* by number */
	size_t ndevices;
	struct gw_sink_row *sink;
	size_t nsinks;
	struct gw_due_set *due; /* by device, then sink */
	size_t ndue, due_capacity;
	uint64_t next_id; /* of the next reading; all below are committed */
	struct gw_purge purge;
	uint64_t commits, failed_commits;
};

/* store_db.c: statements */
int gw_db_prepare(struct gw_db *d);
void gw_db_finalize(struct gw_db *d);
/* Binds by letters: i int64_t, t const char *, b const void * and size_t.  The statement is reset before. */
sqlite3_stmt *gw_db_bind(struct gw_db *d, enum gw_statement s, const char *letters, ...);
/* The same and runs it to its end. */
int gw_db_run(struct gw_db *d, enum gw_statement s, const char *letters, ...);
/* First column of the first row; 0 when there is none. */
int gw_db_number(struct gw_db *d, enum gw_statement s, uint64_t *value);
int gw_db_pages(struct gw_db *d, uint64_t *used);
/* Fills *err with "buffer PATH: cannot WHAT: why".  Returns -1. */
int gw_db_err(struct gw_db *d, int rc, const char *what, struct gw_err *err);
bool gw_db_rc_is(int rc, int primary);
void *gw_must(void *memory); /* aborts on NULL */
int64_t gw_store_wall_ms(void);

/* store_wal.c */
/* Every change is between these two, so that the first one of a WAL bears a mark. */
int gw_db_begin(struct gw_db *d);
int gw_db_end(struct gw_db *d);
int gw_db_end_or_undo(struct gw_db *d, int rc); /* rc: of what was done since gw_db_begin(); or of that */
void gw_wal_watch(struct gw_db *d, uint64_t limit);
int gw_wal_move(struct gw_db *d); /* into the database, what can be; returns what SQLite does */
enum gw_wal_of { GW_WAL_OURS, GW_WAL_OF_ANOTHER_TIME, GW_WAL_OF_ANOTHER };
/* Of the WAL at <path><suffix>, which no connection may have open.  OURS too when there is none, it is
 * empty, or nothing can be compared. */
enum gw_wal_of gw_wal_of(const char *path, const char *suffix);

/* store_open.c */
int gw_db_open(struct gw_db **out, const struct gw_store_options *opts, struct gw_store_info *info,
	       char aside[512], struct gw_err *err);
void gw_db_close(struct gw_db *d); /* exact bounds to .seq first */
/* Other limits from now on. */
void gw_db_limit(struct gw_db *d, uint64_t max_size, int64_t history_ms);
/* pages 0: up to max_size again. */
void gw_db_stop_growth(struct gw_db *d, uint64_t pages);
uint64_t gw_db_ceiling(const struct gw_db *d); /* pages */
/* Before each request: opens again what an error had closed, begins anew what is damaged or gone. */
int gw_db_ready(struct gw_db *d, struct gw_err *err);
/* After an error: is the connection still to be trusted, and the database?  Closes it if not. */
void gw_db_judge(struct gw_db *d, int rc);
int gw_db_begin_again(struct gw_db *d, struct gw_err *err); /* for gw_db_renew() */

/* store_identity.c */
/* Identifier and boot of a database with tables; then the small tables in memory. */
int gw_db_introduce(struct gw_db *d, const char *boot, struct gw_store_info *info);
int gw_db_keep_identity(struct gw_db *d);

/* store_renew.c: gw_renew_begin() puts aside; once there are tables gw_renew_books() fills them;
 * gw_renew_end() when they are in memory. */
int gw_renew_begin(struct gw_db *d, char aside[512], struct gw_err *err);
int gw_renew_books(struct gw_db *d);
int gw_renew_end(struct gw_db *d);
int gw_db_renew(struct gw_db *d, enum gw_store_why why, struct gw_err *err); /* all of it, under way */

/* store_books.c */
/* from: the old database, NULL when SQLite cannot open it.  running: memory knows better. */
int gw_books_take(struct gw_db *d, sqlite3 *from, bool running);
int gw_books_assume_due(struct gw_db *d, uint16_t sink); /* all but what is declared lost */

/* store_salvage.c */
int gw_salvage_from(struct gw_db *d, const char *aside, int fd, bool wal, struct gw_err *err); /* keeps fd */
int gw_salvage_resume(struct gw_db *d); /* what a former process did not finish */
bool gw_salvage_runs(const struct gw_db *d);
bool gw_salvage_due_was_known(struct gw_db *d); /* of this buffer, ever since it was begun */
bool gw_salvage_go_on(struct gw_db *d); /* a slice; false: it failed */
/* pending_readings of all devices to the disk, within a transaction; then after it. */
int gw_counts_put(struct gw_db *d);
void gw_counts_settle(struct gw_db *d, bool committed);
void gw_salvage_free(struct gw_db *d);

/* store_idle.c */
/* When there is nothing to do.  Returns when to be called again, in ms. */
int64_t gw_db_idle(struct gw_db *d);
void gw_db_tell(struct gw_db *d, const struct gw_store_event *e);

/* store_load.c: the small tables in memory */
int gw_db_load(struct gw_db *d);
void gw_db_forget(struct gw_db *d);
struct gw_device_row *gw_db_device(const struct gw_db *d, uint16_t number); /* NULL: none */
struct gw_device_row *gw_db_device_named(const struct gw_db *d, const char *name);
struct gw_device_row *gw_db_device_add(struct gw_db *d, uint16_t number, const char *name);
struct gw_sink_row *gw_db_sink_named(const struct gw_db *d, const char *name);
struct gw_sink_row *gw_db_sink_add(struct gw_db *d, uint16_t number, const char *name);
struct gw_ranges *gw_db_due(struct gw_db *d, uint16_t sink, uint16_t device); /* made when absent */
size_t gw_db_due_of(const struct gw_db *d, uint16_t device); /* index of the device's first set */
bool gw_db_is_due(const struct gw_db *d, uint16_t sink, uint16_t device, uint64_t seq); /* sink 0: any */

/* store_files.c: what lies beside the database */
int gw_lock_take(const char *path, int *fd, struct gw_err *err);
void gw_reserve_make(struct gw_db *d);
bool gw_reserve_release(struct gw_db *d); /* false: there was none */
uint64_t gw_disk_free(const char *path); /* bytes for us; UINT64_MAX: unknown */
bool gw_disk_is_full(const char *path, uint64_t wanted);
bool gw_disk_has_no_inodes(const char *path); /* no file can be made any more */
char *gw_path_with(char *buf, size_t size, const char *path, const char *suffix);

/* store_aside.c */
#define GW_FOREIGN_WAL "-foreign" /* in place of -wal: SQLite must not take it for the WAL of what lies aside */
/*
 * aside "": there was nothing.  resumable: after a kill it goes on at the next start until
 * gw_aside_finish(), which says that the new database is whole.  Both again after an error.
 */
int gw_put_aside(struct gw_db *d, bool resumable, char aside[512], struct gw_err *err);
bool gw_aside_is_unfinished(const struct gw_db *d);
int gw_aside_finish(struct gw_db *d); /* SQLite's code */
void gw_aside_remove(const char *aside);
/* All but this one and the newest of the others.  Returns how many. */
unsigned gw_aside_remove_old(const char *path, const char *aside);

/* store_purge.c */
/* In the open transaction.  ceiling 0: the usual slice; else history too, until `need`
 * pages are free below the ceiling, or the end. */
int gw_db_purge(struct gw_db *d, uint64_t ceiling, uint64_t need);
void gw_purge_note_shrunk(struct gw_db *d, uint16_t device, const struct gw_ranges *old);

/* store_commit.c */
struct gw_commit_work {
	struct gw_commit c; /* readings borrowed, the rest our own */
	struct gw_due_set *due; /* in the place of c.due; swapped with the sets in force */
	uint64_t ceiling; /* of a purge that makes room; 0: the usual one */
	struct gw_commit_result result;
	struct gw_err err;
};
void gw_db_commit(struct gw_db *d, struct gw_commit_work *w);

/* store_window.c */
/* In the open transaction. */
int gw_db_put_windows(struct gw_db *d, const struct gw_commit *c);
/* SQLite's code; the caller frees *out in any case. */
int gw_db_collect_windows(struct gw_db *d, const struct gw_windows_query *q, struct gw_windows **out);
int gw_db_windows(struct gw_db *d, const struct gw_windows_query *q, struct gw_windows **out, struct gw_err *err);
/* Joins windows of a minute to windows of ten, the oldest first, about max_bytes of them. */
int gw_db_join_windows(struct gw_db *d, size_t max_bytes, uint64_t *joined, struct gw_err *err);

/* store_register.c */
int gw_db_register(struct gw_db *d, struct gw_registration *devices, size_t ndevices,
		   struct gw_sink_registration *sinks, size_t nsinks, struct gw_err *err);
int gw_db_reserve(struct gw_db *d, uint16_t device, uint64_t upto, struct gw_err *err);

/* store_read.c */
struct gw_rows_query {
	uint16_t sink;
	bool headers; /* without bodies */
	bool due; /* only what the sink (0: any) has due; all: what is there */
	uint64_t from_id;
	size_t max_rows, max_bytes;
};
int gw_db_rows(struct gw_db *d, const struct gw_rows_query *q, struct gw_rows **out, struct gw_err *err);
bool gw_row_is_whole(const struct gw_reading *r, size_t size, uint16_t device, uint64_t seq);
/* The same without judging; SQLite's code. */
int gw_db_collect(struct gw_db *d, const struct gw_rows_query *q, struct gw_rows **out);

/* store_verify.c */
/* Looks at what is next; 1: there is more, 0: done, -1. */
int gw_db_verify(struct gw_db *d, struct gw_verify_at *at, struct gw_verify *v, struct gw_err *err);
int gw_db_verify_slice(struct gw_db *d); /* of the walk; SQLite's code */

/* store_visit.c: a copy of the small tables, and its way to a visitor */
struct gw_snapshot;
/* One allocation with all that the rows point to; NULL for none. */
struct gw_state_row *gw_state_copy(const struct gw_state_row *rows, size_t n);
int gw_db_snapshot(struct gw_db *d, struct gw_snapshot **out, struct gw_err *err);
void gw_snapshot_show(const struct gw_snapshot *s, const struct gw_store_visitor *v);
void gw_snapshot_free(struct gw_snapshot *s);

/* store.c: the queue */
struct gw_request {
	struct gw_request *next;
	/* In the thread; err: the database could not be opened again.  True: not finished,
	 * to be called again behind the others. */
	bool (*run)(struct gw_db *d, struct gw_request *q, const struct gw_err *err);
	void (*finish)(struct gw_request *q); /* on the loop: tells, then frees q */
	const char *takes_long; /* why, in words; NULL: it does not */
};
void gw_store_push(struct gw_store *st, struct gw_request *q);

#endif
