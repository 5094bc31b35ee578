/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine: what runs the machine during a boot check. The check knows only this interface; an
 * engine turns a vmspec and its blocks into a running machine whose serial port, screen, devices
 * and events can be looked at.
 *
 *	check.c ---- struct engine_ops ---- engine_qemu.c   (QEMU with KVM or emulation)
 *	                                    ...             (one file each, listed in engines[])
 *
 * Rules for engines: the guest reaches no network; nothing but the given blocks is written; the
 * engine's processes die with the caller's thread; stop() leaves neither processes nor files.
 *
 * Threads: all calls from the thread that called start().
 */
#pragma once

#include "formats/block/block.h"
#include "formats/vm/vmspec.h"

struct engine;

/* What to run. All of it stays the caller's, and must live until stop(). */
struct engine_machine {
	const struct vmspec *vm;
	struct block *const *disks; /* one per vm->disks, writable, throw-away */
	uint64_t memory;            /* bytes the guest gets (vm->memory or less) */
	unsigned vcpus;             /* likewise */
	bool kvm;                   /* use KVM: it was measured to be usable */
	const char *dir; /* an empty folder for sockets and the like, removed later */
};

enum engine_event_kind {
	ENGINE_RESET,    /* the guest reset the machine; it goes on */
	ENGINE_POWEROFF, /* the guest switched off; the machine is kept as it was */
	ENGINE_PANIC,    /* the guest's kernel told the panic device */
	ENGINE_FAILED,   /* the engine ended or broke; detail says how */
};

struct engine_event {
	enum engine_event_kind kind;
	char detail[300];
};

enum engine_device_state {
	ENGINE_DEVICE_UNKNOWN,  /* this engine cannot tell (emulated hardware) */
	ENGINE_DEVICE_UNUSED,   /* no driver */
	ENGINE_DEVICE_FIRMWARE, /* driven, with no feature that operating systems ask for */
	ENGINE_DEVICE_DRIVEN,   /* an operating system's driver bound to it */
};

/* One device that the guest sees and how far the guest got with it. */
struct engine_device {
	char name[64]; /* "virtio-blk", "e1000e" */
	char what[64]; /* "disk 0", "nic 1"; "" = nothing of the vmspec */
	enum engine_device_state state;
	char features[500]; /* names of negotiated features, separated by spaces */
};

#define ENGINE_MAX_DEVICES 512

struct engine_ops {
	const char *name; /* as users type it: "qemu" */
	const char *description;

	/* Starts the machine. -ENOTSUP when it cannot be expressed, -ENOENT when the engine is not
	 * installed. */
	int (*start)(struct engine **ret, const struct engine_machine *m, struct err *err);

	/* Ends it at once, waits for its processes, frees. NULL is fine. */
	void (*stop)(struct engine *e);

	/* Non-blocking descriptors that stay the engine's; -1 = there is none. What the guest
	 * writes to its first serial port; a byte stream to the guest agent's port. */
	int (*serial_fd)(const struct engine *e);
	int (*agent_fd)(const struct engine *e);

	/* Readable when next_event() has something to say. */
	int (*event_fd)(const struct engine *e);

	/* 1 and *ret filled, 0 = nothing now. Never fails: trouble is an ENGINE_FAILED event. */
	int (*next_event)(struct engine *e, struct engine_event *ret);

	/* The screen as it is, as PNG. */
	int (*screen)(struct engine *e, const char *path, struct err *err);

	/* At most ENGINE_MAX_DEVICES; the caller frees *ret. */
	int (*devices)(
		struct engine *e, struct engine_device **ret, unsigned *n, struct err *err);

	/* The exact machine, as text a developer can repeat it from; the caller frees. */
	char *(*describe)(const struct engine *e);
};

/* NULL-terminated; the first is the default. */
extern const struct engine_ops *const engines[];

/* NULL = the default; returns NULL when there is none of that name. */
const struct engine_ops *engine_find(const char *name);

const char *engine_device_state_name(enum engine_device_state s);
