/* Sums run over BLOCK pixels in `real`, which stay in the cache for all channels, and over the blocks in double.
 * Spec: Ioffe and Szegedy, arXiv:1502.03167, algorithm 1 and the gradients in section 3.
 */
#include "batch_norm.h"

#include <math.h>
#include <stdlib.h>

/* Pixels between additions in double; pixels whose channels stay in the first-level cache; independent sums,
 * which hide the latency of an addition. */
enum { BLOCK = 16, NEAR = 4, CHAINS = 4 };

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

int batch_norm_statistics(const real *x, size_t pixels, size_t channels, const real *gain, const real *shift,
                          double epsilon, real *saved)
{
    double *sums = calloc(batch_norm_sums(channels), sizeof *sums);
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
    return 0;
}

int batch_norm_forward(const real *x, size_t pixels, size_t channels, const real *gain, const real *shift,
                       double epsilon, double low, double high, real *saved, real *y)
{
    if (batch_norm_statistics(x, pixels, channels, gain, shift, epsilon, saved))
        return -1;
    const real *factor = saved + FACTOR * channels, *offset = saved + OFFSET * channels;
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

size_t batch_norm_sums(size_t channels)
{
    return 2 * second(channels);
}

void batch_norm_add_gradients(const real *x, const real *dy, size_t pixels, size_t channels, const real *saved,
                              double low, double high, double *sums)
{
    const vec lows = all((real)low), highs = all((real)high);
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
 * dx = factor * (g - mean(g) - (x - mean) * inverse^2 * mean(g * (x - mean))) = factor * g + slope * x + base. */
int batch_norm_finish_gradients(const real *x, const real *dy, size_t pixels, size_t channels, const real *saved,
                                double low, double high, const double *sums, real *dx, real *dgain, real *dshift)
{
    const real *mean = saved + MEAN * channels, *inverse = saved + INVERSE * channels;
    const real *factor = saved + FACTOR * channels, *offset = saved + OFFSET * channels;
    const vec lows = all((real)low), highs = all((real)high);
    real *slope = malloc(2 * channels * sizeof *slope), *base = slope + channels;
    if (!slope)
        return -1;
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
            const mask fresh = not_in_block_before(b, channels); /* the others of dx may have been dy */
            for (size_t p = begin; p < least(begin + NEAR, pixels); p++) {
                const vec value = load(x + p * channels + c), from = load(dy + p * channels + c);
                const vec g = passed(value * factors + offsets, from, lows, highs);
                real *to = dx + p * channels + c;
                store(to, where(fresh, factors * g + (value * slopes + bases), load(to)));
            }
        }
    free(slope);
    return 0;
}

int batch_norm_backward(const real *x, const real *dy, size_t pixels, size_t channels, const real *saved,
                        double low, double high, real *dx, real *dgain, real *dshift)
{
    double *sums = calloc(batch_norm_sums(channels), sizeof *sums);
    if (!sums)
        return -1;
    batch_norm_add_gradients(x, dy, pixels, channels, saved, low, high, sums);
    const int status = batch_norm_finish_gradients(x, dy, pixels, channels, saved, low, high, sums, dx, dgain, dshift);
    free(sums);
    return status;
}
