/* Eight channels at a time: what batch_norm.c and depthwise.c compute with.
 *
 * `real` is the type of all tensors: float, or with -DREAL=double what the gradients are checked in.
 * gcc turns a vector operation into whatever the processor has. Tensors are torch's channels_last,
 * that is [image][row][column][channel], with at least LANES channels: they are dealt out in blocks of LANES,
 * of which the last begins where it ends with the last channel and so may overlap the one before.
 */
#ifndef MCU_NAS_VECTOR_H
#define MCU_NAS_VECTOR_H

#include <stddef.h>
#include <string.h>

#ifndef REAL
#define REAL float
#endif

enum { LANES = 8 };

typedef REAL real;
typedef real vec __attribute__((vector_size(LANES * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef __typeof__((vec){0} < (vec){0}) mask;
typedef double wide __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double)), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

INLINE size_t blocks(size_t channels)
{
    return (channels + LANES - 1) / LANES;
}

INLINE size_t first_channel(size_t block, size_t channels)
{
    return block * LANES + LANES <= channels ? block * LANES : channels - LANES;
}

INLINE vec load(const real *from)
{
    return *(const vec *)from;
}

INLINE void store(real *to, vec value)
{
    *(vec *)to = value;
}

INLINE vec all(real value)
{
    return value - (vec){0};
}

/* Adds to LANES sums in double. */
INLINE void add(double *sums, vec values)
{
    *(wide *)sums += __builtin_convertvector(values, wide);
}

/* `value` where `chosen` (all bits set), else `other`. */
INLINE vec where(mask chosen, vec value, vec other)
{
    return (vec)((chosen & (mask)value) | (~chosen & (mask)other));
}

/* The lanes of a block that the block before it does not have. */
INLINE mask not_in_block_before(size_t block, size_t channels)
{
    const vec lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return lane >= all((real)(block * LANES - first_channel(block, channels)));
}

INLINE vec clamp(vec value, vec low, vec high)
{
    value = where(value < low, low, value);
    return where(value > high, high, value);
}

#endif
