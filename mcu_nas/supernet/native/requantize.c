/* The requantization of a layer's sums in quantization-aware training: what firmware/kernels/requantize.h
 * does to integers, on integers held in `real`.
 *
 *   sums, y, dsums, dy [pixels][channels]   bias, fraction, power, factor, dbias [channels]
 *
 * y = (sums + bias) * fraction, rounded, * power, clamped to low..high, rounded: ties to even, so that power
 * holds what moves them outwards (quantize/rounding.py). The gradient is that of the clamp: 0 at both ends.
 */
#include "vector.h"

#include <stdlib.h>

/* Pixels between additions in double. */
enum { BLOCK = 64 };

/* Where a number has no bits left for a fraction, and half of that, so that negative numbers stay there. */
#define WHOLE ((real)(sizeof(real) == sizeof(float) ? 0x1.8p23 : 0x1.8p52))

/* To nearest, ties to even; exact for |value| up to a third of WHOLE. What is larger gets clamped. */
INLINE vec rounded(vec value) {
    return (value + WHOLE) - WHOLE;
}

INLINE vec scaled(vec sum, vec bias, vec fraction, vec power) {
    return rounded((sum + bias) * fraction) * power;
}

void requantize_forward(const real *sums, size_t pixels, size_t channels, const real *bias,
                        const real *fraction, const real *power, double low, double high, real *y) {
    const vec lows = all((real)low), highs = all((real)high);
    for (size_t begin = 0; begin < pixels; begin += BLOCK)
        for (size_t b = 0; b < blocks(channels); b++) {
            const size_t c = first_channel(b, channels);
            const vec biases = load(bias + c), fractions = load(fraction + c), powers = load(power + c);
            for (size_t p = begin; p < least(begin + BLOCK, pixels); p++) {
                const vec value = scaled(load(sums + p * channels + c), biases, fractions, powers);
                store(y + p * channels + c, rounded(clamp(value, lows, highs)));
            }
        }
}

/* dbias: the sums of dsums, over BLOCK pixels in `real`, over the blocks in double.
 * Returns 0, or -1 without memory. */
int requantize_backward(const real *sums, const real *dy, size_t pixels, size_t channels, const real *bias,
                        const real *fraction, const real *power, const real *factor, double low, double high,
                        real *dsums, real *dbias) {
    double *totals = calloc(blocks(channels) * LANES, sizeof *totals);
    if (!totals)
        return -1;
    const vec lows = all((real)low), highs = all((real)high);
    for (size_t begin = 0; begin < pixels; begin += BLOCK)
        for (size_t b = 0; b < blocks(channels); b++) {
            const size_t c = first_channel(b, channels);
            const vec biases = load(bias + c), fractions = load(fraction + c), powers = load(power + c);
            const vec factors = load(factor + c);
            vec total = {0};
            for (size_t p = begin; p < least(begin + BLOCK, pixels); p++) {
                const vec value = scaled(load(sums + p * channels + c), biases, fractions, powers);
                const vec from = load(dy + p * channels + c) * factors;
                const vec passed = where((value > lows) & (value < highs), from, (vec){0});
                total += passed;
                store(dsums + p * channels + c, passed);
            }
            add(totals + b * LANES, total);
        }
    for (size_t b = 0; b < blocks(channels); b++)
        for (size_t lane = 0; lane < LANES; lane++)
            dbias[first_channel(b, channels) + lane] = (real)totals[b * LANES + lane];
    free(totals);
    return 0;
}
