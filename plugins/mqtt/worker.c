/* worker.c - see worker.h. */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "build.h"
#include "worker.h"

struct job {
	struct job *next;
	void (*run)(void *arg);
	void *arg;
};

struct mqtt_worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *head, **tail;
	bool quit;
};

static struct job *next_job(struct mqtt_worker *w)
{
	struct job *j;

	pthread_mutex_lock(&w->lock);
	while (!w->head && !w->quit)
		pthread_cond_wait(&w->more, &w->lock);
	j = w->head;
	if (j)
		w->head = j->next;
	if (!w->head)
		w->tail = &w->head;
	pthread_mutex_unlock(&w->lock);
	return j;
}

static void *work(void *arg)
{
	struct job *j;

	while ((j = next_job(arg))) {
		j->run(j->arg);
		free(j);
	}
	return NULL;
}

int mqtt_worker_new(struct mqtt_worker **out, struct gw_err *err)
{
	struct mqtt_worker *w = mqtt_grow(NULL, sizeof(*w));
	sigset_t all, old;
	int rc;

	*w = (struct mqtt_worker){ .tail = &w->head };
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	/* signals are the loop's; Paho's threads inherit this mask too */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		free(w);
		return gw_err_sys(err, rc, "starting a thread");
	}
	*out = w;
	return 0;
}

void mqtt_worker_do(struct mqtt_worker *w, void (*run)(void *arg), void *arg)
{
	struct job *j = mqtt_grow(NULL, sizeof(*j));

	*j = (struct job){ NULL, run, arg };
	pthread_mutex_lock(&w->lock);
	*w->tail = j;
	w->tail = &j->next;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

void mqtt_worker_free(struct mqtt_worker *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
