/* Depthwise convolution, forward and both gradients, for kernels of 3, 5 and 7 and strides of 1 and 2.
 *
 *   x, dx [images][height][width][channels]   y, dy [images][out_height][out_width][channels]
 *   weight: channel c's tap (row, column) at c * strides[0] + row * strides[1] + column * strides[2]
 *   dweight [channels][kernel][kernel]
 *
 * `top` and `left` rows and columns of zeros lie before the image, as many as needed behind it.
 * One image at a time is copied into a padded frame [blocks][rows][columns][LANES], which stays in the
 * cache while all of it is computed there.
 */
#include "batch_norm.h"

#include <stdlib.h>

struct shape {
    size_t images, height, width, channels, kernel, stride, top, left, out_height, out_width;
};

/* An image of `height` rows between zeros: its row y lies at top + y * spread, column x at left + x * spread. */
struct frame {
    size_t rows, columns, top, left, spread, height;
    real *values;
};

/* y = clamp(x * factor + offset, low, high), by batch_norm.h's `saved`. */
struct norm {
    const real *saved;
    double low, high;
};

/* Writes an image [height][width][channels], normalised where there is a norm, into a frame of zeros, as far
 * as it reaches into it. */
INLINE void fill(struct frame *f, const real *image, size_t height, size_t width, size_t channels,
                 const struct norm *norm)
{
    const size_t block_size = f->rows * f->columns * LANES;
    for (size_t y = 0; y < height && f->top + y * f->spread < f->rows; y++)
        for (size_t x = 0; x < width && f->left + x * f->spread < f->columns; x++) {
            const real *from = image + (y * width + x) * channels;
            real *to = f->values + ((f->top + y * f->spread) * f->columns + f->left + x * f->spread) * LANES;
            for (size_t b = 0; b < blocks(channels); b++) {
                const size_t c = first_channel(b, channels);
                vec value = load(from + c);
                if (norm) {
                    value = value * load(norm->saved + FACTOR * channels + c) + load(norm->saved + OFFSET * channels + c);
                    value = clamp(value, all((real)norm->low), all((real)norm->high));
                }
                store(to + b * block_size, value);
            }
        }
}

/* taps [blocks][kernel][kernel][LANES], with `flipped` turned by 180 degrees. */
static void pack_taps(const real *weight, const size_t *strides, const struct shape *s, int flipped, real *taps)
{
    const size_t k = s->kernel;
    for (size_t b = 0; b < blocks(s->channels); b++)
        for (size_t row = 0; row < k; row++)
            for (size_t column = 0; column < k; column++) {
                const size_t place = flipped ? (k - 1 - row) * k + k - 1 - column : row * k + column;
                for (size_t lane = 0; lane < LANES; lane++)
                    taps[(b * k * k + place) * LANES + lane] =
                        weight[(first_channel(b, s->channels) + lane) * strides[0] + row * strides[1] +
                               column * strides[2]];
            }
}

/* The rows of taps, one bit each, that meet rows of the image when the first lies on frame row `first`. */
static unsigned meeting_rows(const struct frame *f, size_t first, size_t kernel)
{
    unsigned found = 0;
    for (size_t row = first; row < first + kernel; row++)
        if (row >= f->top && (row - f->top) % f->spread == 0 && (row - f->top) / f->spread < f->height)
            found |= 1u << (row - first);
    return found;
}

/* [blocks][kernel][kernel][LANES] -> [channels][kernel][kernel]. */
static void unpack_taps(const real *taps, const struct shape *s, real *to)
{
    const size_t each = s->kernel * s->kernel;
    for (size_t b = 0; b < blocks(s->channels); b++)
        for (size_t tap = 0; tap < each; tap++)
            for (size_t lane = 0; lane < LANES; lane++)
                to[(first_channel(b, s->channels) + lane) * each + tap] = taps[(b * each + tap) * LANES + lane];
}

/* `tile_width` neighbouring outputs of one row; `meeting`: the rows of taps that count. */
INLINE void tile(const real *from, size_t columns, const real *taps, size_t kernel, size_t stride,
                 size_t tile_width, unsigned meeting, real *y, size_t channels)
{
    vec sums[7] = {{0}};
    for (size_t row = 0; row < kernel; row++) {
        if (!(meeting >> row & 1u))
            continue;
        const real *values = from + row * columns * LANES;
        vec weights[7];
#pragma GCC unroll 7
        for (size_t k = 0; k < kernel; k++)
            weights[k] = load(taps + (row * kernel + k) * LANES);
#pragma GCC unroll 24
        for (size_t x = 0; x < (tile_width - 1) * stride + kernel; x++) {
            const vec value = load(values + x * LANES);
#pragma GCC unroll 7
            for (size_t t = 0; t < tile_width; t++)
                if (x >= t * stride && x < t * stride + kernel)
                    sums[t] += value * weights[x - t * stride];
        }
    }
#pragma GCC unroll 7
    for (size_t t = 0; t < tile_width; t++)
        store(y + t * channels, sums[t]);
}

/* y [height][width][channels] from a frame, in tiles of 7, 4 or 1. */
INLINE void convolve(const struct frame *f, const real *taps, size_t kernel, size_t stride, size_t height,
                     size_t width, size_t channels, real *y)
{
    for (size_t b = 0; b < blocks(channels); b++) {
        const real *block = f->values + b * f->rows * f->columns * LANES;
        const real *weights = taps + b * kernel * kernel * LANES;
        for (size_t row = 0; row < height; row++) {
            const unsigned meeting = meeting_rows(f, row * stride, kernel);
            for (size_t column = 0; column < width;) {
                const real *from = block + (row * f->columns + column) * stride * LANES;
                real *to = y + (row * width + column) * channels + first_channel(b, channels);
                if (width % 7 == 0) {
                    tile(from, f->columns, weights, kernel, stride, 7, meeting, to, channels);
                    column += 7;
                } else if (width - column >= 4) {
                    tile(from, f->columns, weights, kernel, stride, 4, meeting, to, channels);
                    column += 4;
                } else {
                    tile(from, f->columns, weights, kernel, stride, 1, meeting, to, channels);
                    column += 1;
                }
            }
        }
    }
}

/* Adds one image's gradient of `rows` rows of taps from row `first` on to sums [kernel][kernel][LANES];
 * `values` and `dy` are a block of the frame f and of `gradient`, a frame without zeros. */
INLINE void add_tap_rows(const struct frame *f, const real *values, const struct frame *gradient, const real *dy,
                         size_t kernel, size_t stride, size_t first, size_t rows, real *sums)
{
    vec found[14] = {{0}};
    for (size_t y = 0; y < gradient->rows; y++) {
        if (!meeting_rows(f, y * stride + first, rows))
            continue;
        const real *from = values + (y * stride + first) * f->columns * LANES;
        for (size_t x = 0; x < gradient->columns; x++) {
            const vec value = load(dy + (y * gradient->columns + x) * LANES);
#pragma GCC unroll 3
            for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 7
                for (size_t k = 0; k < kernel; k++)
                    found[r * kernel + k] += value * load(from + (r * f->columns + x * stride + k) * LANES);
        }
    }
    real *to = sums + first * kernel * LANES;
#pragma GCC unroll 14
    for (size_t i = 0; i < rows * kernel; i++)
        store(to + i * LANES, load(to + i * LANES) + found[i]);
}

/* sums [blocks][kernel][kernel][LANES] += the taps' gradient of one image. Two rows at a time, three of three
 * taps: as many sums as hide the latency of an addition. */
INLINE void add_taps(const struct frame *f, const struct frame *gradient, size_t kernel, size_t stride,
                     size_t channels, real *sums)
{
    const size_t together = kernel == 3 ? 3 : 2;
    for (size_t b = 0; b < blocks(channels); b++) {
        const real *values = f->values + b * f->rows * f->columns * LANES;
        const real *dy = gradient->values + b * gradient->rows * gradient->columns * LANES;
        real *to = sums + b * kernel * kernel * LANES;
        size_t row = 0;
        for (; row + together <= kernel; row += together)
            add_tap_rows(f, values, gradient, dy, kernel, stride, row, together, to);
        if (row < kernel)
            add_tap_rows(f, values, gradient, dy, kernel, stride, row, 1, to);
    }
}

/* `call(kernel, stride)` with constants, so that its loops unroll. */
#define WITH_CONSTANTS(kernel, stride, call)            \
    do {                                                \
        if ((kernel) == 3 && (stride) == 1) call(3, 1); \
        if ((kernel) == 3 && (stride) == 2) call(3, 2); \
        if ((kernel) == 5 && (stride) == 1) call(5, 1); \
        if ((kernel) == 5 && (stride) == 2) call(5, 2); \
        if ((kernel) == 7 && (stride) == 1) call(7, 1); \
        if ((kernel) == 7 && (stride) == 2) call(7, 2); \
    } while (0)

static size_t frame_size(const struct frame *f, size_t channels)
{
    return blocks(channels) * f->rows * f->columns * LANES;
}

static struct frame input_frame(const struct shape *s)
{
    return (struct frame){(s->out_height - 1) * s->stride + s->kernel, (s->out_width - 1) * s->stride + s->kernel,
                          s->top, s->left, 1, s->height, NULL};
}

/* Returns 0, or -1 without memory. */
int depthwise_forward(const struct shape *s, const real *x, const struct norm *norm, const real *weight,
                      const size_t *strides, real *y)
{
    struct frame f = input_frame(s);
    const size_t values = frame_size(&f, s->channels), taps = blocks(s->channels) * s->kernel * s->kernel * LANES;
    real *memory = calloc(values + taps, sizeof *memory);
    if (!memory)
        return -1;
    f.values = memory;
    pack_taps(weight, strides, s, 0, memory + values);
    for (size_t image = 0; image < s->images; image++) {
        const real *from = x + image * s->height * s->width * s->channels;
        real *to = y + image * s->out_height * s->out_width * s->channels;
        if (norm)
            fill(&f, from, s->height, s->width, s->channels, norm);
        else
            fill(&f, from, s->height, s->width, s->channels, NULL);
#define FORWARD(K, S) convolve(&f, memory + values, K, S, s->out_height, s->out_width, s->channels, to)
        WITH_CONSTANTS(s->kernel, s->stride, FORWARD);
    }
    free(memory);
    return 0;
}

/* Gradients of the input, unless dx is NULL, and of the weight. With a norm, of batch norm's input, gain and
 * shift. dx: the gradients dy, a stride apart between zeros, convolved with the flipped taps.
 * Returns 0, or -1 without memory. */
int depthwise_backward(const struct shape *s, const real *x, const struct norm *norm, const real *dy,
                       const real *weight, const size_t *strides, real *dx, real *dweight, real *dgain,
                       real *dshift)
{
    struct frame f = input_frame(s), gradient = {s->out_height, s->out_width, 0, 0, 1, s->out_height, NULL};
    struct frame spread = {s->height + s->kernel - 1, s->width + s->kernel - 1, s->kernel - 1 - s->top,
                           s->kernel - 1 - s->left, s->stride, s->out_height, NULL};
    const size_t values = frame_size(&f, s->channels), gradients = frame_size(&gradient, s->channels);
    const size_t spread_values = frame_size(&spread, s->channels), each = s->kernel * s->kernel;
    const size_t taps = blocks(s->channels) * each * LANES;
    const size_t in_size = s->height * s->width * s->channels, out_size = s->out_height * s->out_width * s->channels;
    real *memory = calloc(values + gradients + spread_values + 2 * taps, sizeof *memory);
    double *norm_sums = calloc(batch_norm_sums(s->channels), sizeof *norm_sums);
    int status = memory && norm_sums ? 0 : -1;
    if (status == 0) {
        f.values = memory;
        gradient.values = f.values + values;
        spread.values = gradient.values + gradients;
        real *flipped = spread.values + spread_values, *sums = flipped + taps;
        pack_taps(weight, strides, s, 1, flipped);
        for (size_t image = 0; image < s->images; image++) {
            const real *from = x + image * in_size, *gradient_from = dy + image * out_size;
            if (norm)
                fill(&f, from, s->height, s->width, s->channels, norm);
            else
                fill(&f, from, s->height, s->width, s->channels, NULL);
            fill(&gradient, gradient_from, s->out_height, s->out_width, s->channels, NULL);
#define ADD_TAPS(K, S) add_taps(&f, &gradient, K, S, s->channels, sums)
            WITH_CONSTANTS(s->kernel, s->stride, ADD_TAPS);
            if (!dx)
                continue;
            real *to = dx + image * in_size;
            fill(&spread, gradient_from, s->out_height, s->out_width, s->channels, NULL);
#define BACKWARD(K, S) convolve(&spread, flipped, K, S, s->height, s->width, s->channels, to)
            WITH_CONSTANTS(s->kernel, 1, BACKWARD);
            if (norm)
                batch_norm_add_gradients(from, to, s->height * s->width, s->channels, norm->saved, norm->low,
                                         norm->high, norm_sums);
        }
        unpack_taps(sums, s, dweight);
        if (dx && norm)
            status = batch_norm_finish_gradients(x, dx, s->images * s->height * s->width, s->channels, norm->saved,
                                                 norm->low, norm->high, norm_sums, dx, dgain, dshift);
    }
    free(norm_sums);
    free(memory);
    return status;
}
