/* cleanup.h - locals that clean themselves, and moving out of them. */
#ifndef MST_CLEANUP_H
#define MST_CLEANUP_H

#define MST_AUTO(drop) __attribute__((cleanup(drop)))
#define MST_MOVE(p)                                                            \
    __extension__({                                                            \
        __auto_type moved_ = (p);                                              \
        (p) = NULL;                                                            \
        moved_;                                                                \
    })

/* The object that contains `member` at address `ptr`. */
#define MST_OF(type, member, ptr)                                              \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
