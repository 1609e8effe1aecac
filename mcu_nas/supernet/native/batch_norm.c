/* Batch norm by the batch's statistics and the activation after it, for training.
 *
 *   x, y, dx, dy [pixels][channels]   gain, shift, dgain, dshift [channels]
 *   saved [4][channels]: mean, 1 / sqrt(variance + epsilon), and factor and offset of y = x * factor + offset
 *
 * The activation is a clamp to low..high, whose gradient is 0 at both. Sums run over BLOCK pixels in `real`,
 * which stay in the cache for all channels, and over the blocks in double.
 * Spec: Ioffe and Szegedy, arXiv:1502.03167, algorithm 1 and the gradients in section 3.
 */
#include "vector.h"

#include <math.h>
#include <stdlib.h>

/* Pixels between additions in double; pixels whose channels stay in the first-level cache; independent sums,
 * which hide the latency of an addition. */
enum { BLOCK = 16, NEAR = 4, CHAINS = 4 };

enum { MEAN, INVERSE, FACTOR, OFFSET };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* sums are [2][blocks][LANES]: the second kind's begin, and a channel's place in either. */
static size_t second(size_t channels)
{
    return blocks(channels) * LANES;
}

static size_t place(size_t channel, size_t channels)
{
    const size_t block = channel / LANES;
    return block * LANES + channel - first_channel(block, channels);
}

INLINE void add_product(vec value, vec other, vec *sum, vec *products)
{
    *sum += value;
    *products += value * other;
}

INLINE vec total(const vec *chains)
{
    return (chains[0] + chains[1]) + (chains[2] + chains[3]);
}

/* sums[0] of x - origin, sums[1] of its squares. */
static void add_moments(const real *x, size_t pixels, size_t channels, const real *origin, double *sums)
{
    for (size_t begin = 0; begin < pixels; begin += BLOCK) {
        const size_t end = least(begin + BLOCK, pixels);
        for (size_t b = 0; b < blocks(channels); b++) {
            const size_t c = first_channel(b, channels);
            const vec from = load(origin + c);
            vec sum[CHAINS] = {{0}}, squares[CHAINS] = {{0}};
            size_t p = begin;
            for (; p + CHAINS <= end; p += CHAINS)
#pragma GCC unroll 4
                for (size_t i = 0; i < CHAINS; i++)
                    add_product(load(x + (p + i) * channels + c) - from, load(x + (p + i) * channels + c) - from, &sum[i], &squares[i]);
            for (; p < end; p++)
                add_product(load(x + p * channels + c) - from, load(x + p * channels + c) - from, &sum[0], &squares[0]);
            add(sums + b * LANES, total(sum));
            add(sums + second(channels) + b * LANES, total(squares));
        }
    }
}

/* Returns 0, or -1 without memory. */
int batch_norm_forward(const real *x, size_t pixels, size_t channels, const real *gain, const real *shift,
                       double epsilon, double low, double high, real *saved, real *y)
{
    double *sums = calloc(2 * blocks(channels) * LANES, sizeof *sums);
    if (!sums)
        return -1;
    real *factor = saved + FACTOR * channels, *offset = saved + OFFSET * channels;
    /* Distances from the first pixel: a mean far from zero would cancel the variance's digits. */
    add_moments(x, pixels, channels, x, sums);
    for (size_t c = 0; c < channels; c++) {
        const size_t at = place(c, channels);
        const double distance = sums[at] / (double)pixels, mean = (double)x[c] + distance;
        const double spread = sums[second(channels) + at] / (double)pixels - distance * distance;
        const double inverse = 1.0 / sqrt((spread > 0.0 ? spread : 0.0) + epsilon);
        saved[MEAN * channels + c] = (real)mean;
        saved[INVERSE * channels + c] = (real)inverse;
        factor[c] = (real)((double)gain[c] * inverse);
        offset[c] = (real)((double)shift[c] - mean * (double)gain[c] * inverse);
    }
    free(sums);
    const vec lows = all((real)low), highs = all((real)high);
    for (size_t begin = 0; begin < pixels; begin += NEAR)
        for (size_t b = 0; b < blocks(channels); b++) {
            const size_t c = first_channel(b, channels);
            const vec factors = load(factor + c), offsets = load(offset + c);
            for (size_t p = begin; p < least(begin + NEAR, pixels); p++)
                store(y + p * channels + c, clamp(load(x + p * channels + c) * factors + offsets, lows, highs));
        }
    return 0;
}

/* dy where the activation let y through, else 0. */
INLINE vec passed(vec y, vec dy, vec lows, vec highs)
{
    return where((y > lows) & (y < highs), dy, (vec){0});
}

/* sums[0] of dy as the activation passes it on, sums[1] of that times x - mean. */
static void add_gradients(const real *x, const real *dy, size_t pixels, size_t channels, const real *saved,
                          vec lows, vec highs, double *sums)
{
    for (size_t begin = 0; begin < pixels; begin += BLOCK) {
        const size_t end = least(begin + BLOCK, pixels);
        for (size_t b = 0; b < blocks(channels); b++) {
            const size_t c = first_channel(b, channels);
            const vec mean = load(saved + MEAN * channels + c);
            const vec factor = load(saved + FACTOR * channels + c), offset = load(saved + OFFSET * channels + c);
            vec sum[CHAINS] = {{0}}, products[CHAINS] = {{0}};
            size_t p = begin;
            for (; p + CHAINS <= end; p += CHAINS)
#pragma GCC unroll 4
                for (size_t i = 0; i < CHAINS; i++) {
                    const vec value = load(x + (p + i) * channels + c), from = load(dy + (p + i) * channels + c);
                    const vec g = passed(value * factor + offset, from, lows, highs);
                    add_product(g, value - mean, &sum[i], &products[i]);
                }
            for (; p < end; p++) {
                const vec value = load(x + p * channels + c), from = load(dy + p * channels + c);
                const vec g = passed(value * factor + offset, from, lows, highs);
                add_product(g, value - mean, &sum[0], &products[0]);
            }
            add(sums + b * LANES, total(sum));
            add(sums + second(channels) + b * LANES, total(products));
        }
    }
}

/* With g = dy as the activation passes it on:
 * dx = factor * (g - mean(g) - (x - mean) * inverse^2 * mean(g * (x - mean))) = factor * g + slope * x + base.
 * Returns 0, or -1 without memory. */
int batch_norm_backward(const real *x, const real *dy, size_t pixels, size_t channels, const real *saved,
                        double low, double high, real *dx, real *dgain, real *dshift)
{
    double *sums = calloc(2 * blocks(channels) * LANES, sizeof *sums);
    real *line = malloc(2 * channels * sizeof *line);
    if (!sums || !line) {
        free(sums);
        free(line);
        return -1;
    }
    const real *mean = saved + MEAN * channels, *inverse = saved + INVERSE * channels;
    const real *factor = saved + FACTOR * channels, *offset = saved + OFFSET * channels;
    const vec lows = all((real)low), highs = all((real)high);
    real *slope = line, *base = line + channels;
    add_gradients(x, dy, pixels, channels, saved, lows, highs, sums);
    for (size_t c = 0; c < channels; c++) {
        const double sum = sums[place(c, channels)], products = sums[second(channels) + place(c, channels)];
        const double share = (double)factor[c] / (double)pixels, per_deviation = (double)inverse[c];
        const double tilt = -share * per_deviation * per_deviation * products;
        slope[c] = (real)tilt;
        base[c] = (real)(-share * sum - tilt * (double)mean[c]);
        dgain[c] = (real)(products * per_deviation);
        dshift[c] = (real)sum;
    }
    for (size_t begin = 0; begin < pixels; begin += NEAR)
        for (size_t b = 0; b < blocks(channels); b++) {
            const size_t c = first_channel(b, channels);
            const vec factors = load(factor + c), offsets = load(offset + c);
            const vec slopes = load(slope + c), bases = load(base + c);
            for (size_t p = begin; p < least(begin + NEAR, pixels); p++) {
                const vec value = load(x + p * channels + c), from = load(dy + p * channels + c);
                const vec g = passed(value * factors + offsets, from, lows, highs);
                store(dx + p * channels + c, factors * g + (value * slopes + bases));
            }
        }
    free(sums);
    free(line);
    return 0;
}
