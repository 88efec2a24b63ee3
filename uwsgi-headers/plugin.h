/*
 * The part of uWSGI's plugin interface that is the same in every 2.0.x,
 * whatever flags a binary was built with: the table that a plugin exports and
 * the table of its options.
 *
 * The plugin reads this very text when it is loaded and compares it, member by
 * member, with the header that the running uWSGI carries inside itself
 * (uwsgi_get_dot_h, core/uwsgi.c). The order, the names and the types of the
 * members are therefore uWSGI's; "since" says which release appended a member.
 */
#ifndef PYCOW_PLUGIN_H
#define PYCOW_PLUGIN_H

#include "types.h"

struct wsgi_request;
struct uwsgi_buffer;
struct uwsgi_instance;

/* One row of a plugin's options; the row whose name is NULL ends the table. */
struct uwsgi_option {
	char *name;
	/* getopt_long's has_arg: no_argument, required_argument, optional_argument */
	int type;
	/* the one-letter form, 0 where there is none */
	int shortcut;
	char *help;
	/* called with the name, the value (NULL where none was given) and data */
	void (*func) (char *, char *, void *);
	void *data;
	/* UWSGI_OPT_* bits */
	uint64_t flags;
};

/* What a plugin exports. Every callback may be NULL. */
struct uwsgi_plugin {
	/* who it is; uWSGI writes modifier1 when told `plugin = 12:name` */
	const char *name;
	const char *alias;
	uint8_t modifier1;
	void *data;

	/* while the configuration is read */
	void (*on_load) (void);
	/* once the configuration is complete: generic plugins, then those that serve requests */
	int (*init) (void);
	void (*post_init) (void);
	/* in a forked process, its first moment */
	void (*post_fork) (void);
	struct uwsgi_option *options;
	void (*enable_threads) (void);
	void (*init_thread) (int);

	/* a request; a plugin without this one is a generic plugin */
	int (*request) (struct wsgi_request *);
	void (*after_request) (struct wsgi_request *);

	/* applications: before, while and after they are loaded */
	void (*preinit_apps) (void);
	void (*init_apps) (void);
	void (*postinit_apps) (void);

	/* a worker that is ready to serve; the master (0) or a mule (1) about to go its way */
	void (*fixup) (void);
	void (*master_fixup) (int);
	void (*master_cycle) (void);

	int (*mount_app) (char *, char *);
	int (*manage_udp) (char *, int, char *, int);

	/* async mode */
	void (*suspend) (struct wsgi_request *);
	void (*resume) (struct wsgi_request *);

	void (*harakiri) (int);

	/* a worker right before its loop; the last callback of a generic plugin before requests */
	void (*hijack_worker) (void);
	void (*spooler_init) (void);
	/* a process that leaves by exit(), never the master */
	void (*atexit) (void);

	int (*magic) (char *, char *);

	void *(*encode_string) (char *);
	char *(*decode_string) (void *);
	int (*signal_handler) (uint8_t, void *);
	char *(*code_string) (char *, char *, char *, char *, uint16_t);

	int (*spooler) (char *, char *, uint16_t, char *, size_t);

	uint64_t (*rpc) (void *, uint8_t, char **, uint16_t *, char **);

	void (*jail) (int (*)(void *), char **);
	void (*post_jail) (void);
	void (*before_privileges_drop) (void);

	int (*mule) (char *);
	int (*mule_msg) (char *, size_t);

	void (*master_cleanup) (void);

	struct uwsgi_buffer *(*backtrace) (struct wsgi_request *);
	struct uwsgi_buffer *(*exception_class) (struct wsgi_request *);
	struct uwsgi_buffer *(*exception_msg) (struct wsgi_request *);
	struct uwsgi_buffer *(*exception_repr) (struct wsgi_request *);
	void (*exception_log) (struct wsgi_request *);

	/* since 2.0.7 */
	void (*vassal) (struct uwsgi_instance *);
	void (*vassal_before_exec) (struct uwsgi_instance *);

	/* since 2.0.12 */
	int (*worker) (void);

	/* since 2.0.16 */
	void (*early_post_jail) (void);

	/* since 2.0.21 */
	void (*pre_uwsgi_fork) (void);
	void (*post_uwsgi_fork) (int);
};

#endif
