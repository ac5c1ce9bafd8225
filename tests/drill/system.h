/* system.h - what a process holds, and which processes are left. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdint.h>
#include <sys/types.h>

/* Open descriptors of this process; -1: cannot tell. */
int system_descriptors(void);
/* Private memory of this process in KiB; -1: cannot tell. */
int64_t system_memory_kib(void);
/* What malloc has handed out and not got back, in KiB; -1: cannot tell. */
int64_t system_in_use_kib(void);
/* Processes with `word` in their environment, without this one. */
int system_processes(const char *word);
/* The process of this name with exactly that in its environment; 0: none. */
pid_t system_process(const char *name, const char *word);

#endif
