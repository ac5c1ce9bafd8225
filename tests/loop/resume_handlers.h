/* resume_handlers.h - what resume_rig.c and its handlers say to each other. */
#ifndef RESUME_HANDLERS_H
#define RESUME_HANDLERS_H

#include <stddef.h>
#include <stdint.h>

#define RESUME_ITEMS 65536u

/* A request: this, and so many bytes of the item's pattern. */
typedef struct resume_head {
    uint32_t item;   /* its number, for ever */
    uint32_t bytes;  /* of the pattern that are wanted back */
    uint32_t target; /* via: who shall run it */
    uint32_t zero;
} resume_head;

static inline unsigned char resume_byte(uint32_t item, size_t at)
{
    return (unsigned char)(item * 7 + at * 31 + (at >> 8));
}

static inline void resume_fill(unsigned char *data, uint32_t item, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = resume_byte(item, i);
}

/* Where it differs; len: nowhere. */
static inline size_t resume_check(const unsigned char *data, uint32_t item,
                                  size_t len)
{
    size_t i = 0;

    while (i < len && data[i] == resume_byte(item, i))
        i++;
    return i;
}

/* A number below `below`, from a seed. */
static inline uint32_t chance(uint64_t *x, uint32_t below)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return (uint32_t)((*x >> 16) % below);
}

#endif
