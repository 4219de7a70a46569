/*
 * daemon.h - the core put together: its modules bound to one event loop.
 *
 *	intake.c   readings from sources: normalise, number, ring, hand on
 *	outlet.c   sinks: deliveries and acknowledgements; outlet_tell.c: layouts, states and the rest
 *	arrive.c   a reading's number and place in the ring
 *	commit.c   the group commit, and what it frees
 *	evict.c    what gives way when the buffer is full: thinned to windows, or given up
 *	repair.c  a buffer that was damaged: what is missing is declared lost
 *	reload.c   another configuration: refused whole, or applied
 *	apply.c    from a plan to a running gateway, at start and at a reload
 *	members.c  sources and sinks themselves
 *	state.c    the memory of plugins, between their links, memory.c and the commit
 *	timekeeper.c  may the clock be believed; times of readings, in and out
 *	write.c    writing a point, for whoever asks
 *	watchdog.c what must go on; the watchdog is fed while it does
 *	again.c    stored readings once more, for whoever asks
 *	control.c  the control socket; views.c the documents it and `health` show
 *
 * This header is theirs; main.c uses the first part only.
 */
#ifndef GW_CORE_DAEMON_H
#define GW_CORE_DAEMON_H

#include "core/deliver.h"
#include "core/device.h"
#include "core/duty.h"
#include "core/memory.h"
#include "core/outlook.h"
#include "core/plan.h"
#include "core/ring.h"
#include "core/store.h"

struct gw_daemon;

/* Exit codes (contract, section 1). */
enum { GW_EXIT_OK = 0, GW_EXIT_CONFIG = 1, GW_EXIT_USAGE = 2, GW_EXIT_OTHER = 3 };

int gw_daemon_run(const char *file);   /* until SIGTERM; returns the exit code */
int gw_daemon_check(const char *file); /* --check (check.c) */

/* ---- between the modules of the core ---- */

struct gw_source {
	struct gw_daemon *daemon;
	struct gw_instance instance; /* owned copies */
	struct gw_child *child;
	struct gw_device **devices; /* by their number on the link */
	size_t ndevices;
	struct gw_candidate redeclared; /* of a process that was started again */
	struct gw_arena *redeclared_arena;
	struct gw_duty talk;
	bool stays, leaving; /* leaving: taken out or replaced by a reload, stopping */
};

struct gw_sink {
	struct gw_daemon *daemon;
	struct gw_instance instance;
	struct gw_child *child;
	struct gw_deliver *deliver;
	uint16_t number; /* the store's */
	uint64_t session;
	uint8_t *told; /* by layout number: the sink knows it */
	size_t told_n;
	uint32_t boot_told; /* earlier boot named last to this process */
	uint64_t *progress; /* by device number: complete_to last published */
	size_t progress_n;
	struct gw_watch *timer; /* when the pump asked to be called again */
	bool stays, leaving;    /* leaving: taken out, or to go on with the process of `successor` */
	bool removed;           /* the store has forgotten it: its books are not kept any more */
	unsigned asked;         /* answers that the store owes it */
	struct gw_sink *successor;
	/* as it says */
	uint8_t state;
	unsigned window, in_flight;
	uint64_t refused;
	char broker[128], reason[160];
	int64_t since_us;
	int64_t oldest_ts_ms; /* of its backlog, looked up now and then; 0: unknown or none */
	bool looking;
	bool undecided; /* the backlog that was to go last waits until its time is kept on disk */
	struct gw_duty talk, delivery;
};

struct gw_known_layout {
	uint16_t device;
	uint64_t first_seq, from_seq;
	struct gw_layout_body body;
	bool current;
};

struct gw_pending { /* a reading in the ring that is not committed */
	const struct gw_reading *r;
	uint64_t position;
};

struct gw_boot { /* of this machine */
	uint32_t number;
	char id[40];
};

struct gw_watchdog { /* watchdog.c */
	struct gw_duty store, commits;
	int64_t patience_us;
	bool wanted, fed, stuck;
};

struct gw_control;
struct gw_writes;
struct gw_clock;

struct gw_daemon {
	struct gw_loop *loop;
	struct gw_receiver *receiver;
	const char *file;
	struct gw_arena *arena; /* copies of settings that outlive the plan */
	struct gw_core_settings core;
	bool located;
	uint32_t config_hash;
	char boot[40];
	int exit_code;
	enum { GW_PHASE_STARTING, GW_PHASE_RUNNING, GW_PHASE_STOPPING } phase;
	int64_t started_us, epoch_us;
	int64_t now_us; /* of this turn */

	/* timekeeper.c */
	struct gw_clock *clock; /* NULL before the buffer is open */
	struct gw_boot *boots;
	size_t nboots, boots_capacity;
	bool clock_vouched;
	int64_t clock_asked_us, clock_offset_us; /* as last seen */

	bool swept, sinks_told, last_commit_asked;
	struct gw_plan *plan, *stale_plan; /* being checked or applied; refused and to be freed */
	void (*reload_answer)(void *arg, const struct gw_plan *p);
	void *reload_arg;
	struct gw_apply *apply;
	bool plan_waits;   /* accepted, while something of the reload before is still leaving */
	bool reload_again; /* asked for while another one was under way */
	bool closing;      /* the store gives its last answers */

	struct gw_store *store;
	struct gw_store_info info;
	struct gw_ring *ring;
	bool ring_found;
	bool salvaging;     /* readings of a damaged database are on their way into the new one */
	bool salvage_exact; /* and what was due is known */
	uint64_t damaged;   /* since the start: readings found damaged in the buffer, windows' among them */
	struct gw_next_row *absent; /* numbers given to devices that are not configured, or were not */
	size_t nabsent, absent_capacity;
	uint64_t next_loss_id;

	struct gw_device **devices; /* by the store's number; NULL: not configured now */
	size_t ndevices;
	struct gw_source **sources;
	size_t nsources, sources_capacity;
	struct gw_source **entering; /* new or changed: wait until nobody leaving has one of their devices */
	size_t nentering, entering_capacity;
	struct gw_sink **sinks;
	size_t nsinks, sinks_capacity;
	struct gw_known_layout *layouts; /* by number */
	size_t nlayouts;

	/* commit.c */
	struct gw_pending *pending;
	size_t npending, pending_capacity, committing;
	bool commit_running, commit_armed, commit_again;
	int64_t commit_due_us; /* while armed */
	uint64_t commits_ended, commits_before_last;
	size_t commit_bytes; /* of readings in a commit, about; 0: what the WAL has room for */
	bool commit_cut; /* the one that runs had no room for all that was pending */
	bool commit_held; /* the last left out losses under numbers that are not reserved */
	struct gw_loss_row *changed_losses;
	size_t nchanged_losses, changed_losses_capacity;
	struct gw_memory *memory; /* of plugins */
	struct gw_writes *writes; /* under way; write.c's */
	unsigned walks;           /* under way; again.c's */
	struct gw_watch *commit_timer;
	struct gw_commit_result last_commit;
	struct gw_outlook outlook;
	char store_error[256];
	bool evicting;
	size_t give_up_bytes, give_up_windows_bytes;  /* asked for last; 0: the commit before went well */
	bool thinning, joining;   /* said so in the log */
	bool windows_given_up;    /* and not committed */
	struct gw_rows *last_rows; /* less than a slice: they wait until windows have given way */
	struct gw_window_piece *windows; /* of thinned readings, not committed; owned */
	size_t nwindows, windows_capacity, windows_committing;
	uint64_t *windows_gone; /* ids that are to be deleted */
	size_t nwindows_gone, windows_gone_capacity, windows_gone_committing;
	uint64_t commit_head;  /* of the ring when the commit began */
	uint64_t inherited;    /* below it the ring has what a former process left */

	struct gw_watch *second, *turn;
	int64_t seconds;
	struct gw_watchdog watchdog;
	struct gw_control *control;
	_Alignas(8) unsigned char scratch[GW_MESSAGE_MAX];
	_Alignas(8) unsigned char stamped[GW_MESSAGE_MAX]; /* readings with their true time, on their way out */
};

void *gw_grow(void *items, size_t *have, size_t want, size_t size); /* zeroed room; aborts */

/* intake.c */
extern const struct gw_child_ops gw_source_ops;
void gw_device_state_is(struct gw_daemon *d, struct gw_device *dev, enum gw_device_state state,
			const char *reason, int64_t ts_ms);
/* Not of a process that waits for its turn, or of one whose device went to another source. */
bool gw_device_installed(const struct gw_daemon *d, const struct gw_device *dev);
struct gw_device *gw_device_named(const struct gw_daemon *d, const char *name);

/* outlet.c */
extern const struct gw_child_ops gw_sink_ops;
extern const struct gw_deliver_ops gw_outlet_ops;
void gw_sink_pump(struct gw_sink *s);
void gw_sink_look_for_oldest(struct gw_sink *s); /* of its backlog, for people */

/* outlet_tell.c; to a process that is not running: nothing */
void gw_sink_introduce(struct gw_sink *s);    /* all of it, to a new process */
void gw_sink_tell_gateway(struct gw_sink *s); /* the configuration is another one */
void gw_sink_tell_state(struct gw_sink *s, const struct gw_device *dev);
void gw_sink_tell_layout(struct gw_sink *s, uint32_t layout);
void gw_sink_tell_device(struct gw_sink *s, uint16_t device); /* ahead of news that names no layout */
void gw_sink_tell_progress(struct gw_sink *s);
void gw_sink_tell_gone(struct gw_sink *s, const char *device);
void gw_sink_tell_health(struct gw_sink *s, const char *json, size_t size);

/* commit.c */
void gw_commit_reading(struct gw_daemon *d, const struct gw_reading *r, uint64_t position);
void gw_commit_loss(struct gw_daemon *d, const struct gw_loss_row *row);
void gw_commit_later(struct gw_daemon *d); /* within `sync` */
void gw_commit_now(struct gw_daemon *d);   /* unless one is running: then after it */
void gw_commit_soon(struct gw_daemon *d);  /* at once; after one that failed not before it is tried again */
void gw_commit_on_timer(void *arg);
enum { GW_COMMIT_RETRY_US = 1000000 };
void gw_commit_in(struct gw_daemon *d, int64_t us);
bool gw_commit_idle(const struct gw_daemon *d); /* nothing pending and none running */
/* A device that is not configured: its numbers below `next` were given, and are not given again when it
 * comes back, whatever the store knows of it by then. */
void gw_commit_absent(struct gw_daemon *d, uint16_t device, uint64_t next);
uint64_t gw_commit_absent_next(const struct gw_daemon *d, uint16_t device); /* 0: nothing is known */
bool gw_commit_any_due(const struct gw_daemon *d, const struct gw_reading *r);
struct gw_device *gw_commit_device(const struct gw_daemon *d, uint16_t number); /* NULL: not configured */
/* The ring's tail moves up to the first reading that is still pending, and not beyond `limit`:
 * acknowledgements that lie there may not be in the store yet. */
void gw_commit_release(struct gw_daemon *d, uint64_t limit);

/* arrive.c */
/* So that the device has numbers in hand; the answer sets dev->reserved. */
void gw_arrive_reserve(struct gw_daemon *d, struct gw_device *dev);
/* The next reading of the device: gets its number, lies in the ring, is due for every sink.  False: there
 * was no room, it is declared lost; or it has no number, as below. */
bool gw_arrive(struct gw_daemon *d, struct gw_device *dev, struct gw_reading *r);
/* Numbers that no sink was told of are lost to all of them. */
void gw_arrive_declare(struct gw_daemon *d, const struct gw_giveup *g);
/* The next n numbers are of readings that are lost (overload).  Times are 0 when they are not known.  False:
 * not even a note of that has room in the ring, and a number that lies nowhere is not given. */
bool gw_arrive_lost(struct gw_daemon *d, struct gw_device *dev, uint64_t n, int64_t ts_from_ms, int64_t ts_to_ms);
/* One more that is lost and gets its number later: dev->unnumbered. */
void gw_arrive_unnumbered(struct gw_device *dev, int64_t ts_ms);
/* Room for `size` bytes in the ring, by letting go what every sink has taken. */
/* What lies below *head leaves the ring: notes of losses that no commit may tell of yet are appended
 * again, or *head is moved before them. */
void gw_arrive_keep_notes(struct gw_daemon *d, uint64_t *head);
bool gw_arrive_make_room(struct gw_daemon *d, size_t size);
/* Before something is appended to the ring: what making room would have to note there keeps its place. */
void gw_arrive_keep_room(struct gw_daemon *d);

/* evict.c */
void gw_evict(struct gw_daemon *d); /* the last commit found no room: ends with another commit */
/* A full buffer that is to be thinned is no error; a full disk is. */
bool gw_evict_expected(const struct gw_daemon *d, const struct gw_err *err);
void gw_evict_gather(struct gw_daemon *d, struct gw_commit *c); /* what a commit is to carry of it */
void gw_evict_committed(struct gw_daemon *d);                   /* it is on the disk */
void gw_evict_window_gone(struct gw_daemon *d, uint64_t id);
void gw_evict_free(struct gw_daemon *d);
/* repair.c: damage to the buffer */
void gw_repair_event(void *arg, const struct gw_store_event *e);
void gw_repair_old_removed(unsigned n); /* says so */
void gw_repair_recovered(struct gw_daemon *d); /* all that is due is known to the sinks */

/* state.c */
void gw_state_send(struct gw_daemon *d, const struct gw_instance *i, struct gw_child *child); /* before START */
void gw_state_keep(struct gw_daemon *d, const struct gw_instance *i, const struct gw_msg_state_put *m);

/* reload.c */
void gw_daemon_reload(struct gw_daemon *d, void (*answer)(void *arg, const struct gw_plan *p), void *arg);
void gw_reload_turn(struct gw_daemon *d); /* at the end of each: what could not be done inside it */

/* daemon.c */
void gw_daemon_keep_settings(struct gw_daemon *d, const struct gw_settings *s); /* without a problem */
void gw_daemon_stop(struct gw_daemon *d, int exit_code);
void gw_daemon_gone(struct gw_daemon *d); /* something stopped: is all of it? */

/* watchdog.c */
void gw_watchdog_begin(struct gw_daemon *d);  /* from now on the loop feeds it */
void gw_watchdog_second(struct gw_daemon *d); /* once a second while running: is anything stuck? */

/* control.c */
int gw_control_open(struct gw_daemon *d, struct gw_err *err);
void gw_control_close(struct gw_daemon *d);
void gw_control_reading(struct gw_daemon *d, const struct gw_device *dev, const struct gw_reading *r);
void gw_control_second(struct gw_daemon *d); /* once a second: questions that took too long */
void gw_control_answer(struct gw_daemon *d, struct gw_source *s, const struct gw_msg_answer *a);

#endif
