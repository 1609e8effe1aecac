/* Depthwise convolution, forward and both gradients, for kernels of 3, 5 and 7 and strides of 1 and 2.
 *
 *   x [images][height][width][channels]   y [images][out_height][out_width][channels]
 *   taps [kernel][kernel][channels]
 * `top` and `left` rows and columns of zeros lie before the image, as many as needed behind it. Each image
 * is copied into a padded frame that stays in the cache while all of it is computed there.
 */
#include "vector.h"

#include <stdlib.h>

struct shape {
    size_t images, height, width, channels, kernel, stride, top, left, out_height, out_width;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Writes one image into a zeroed frame, `spread` apart and from (top, left) on, as far as it fits. */
static void frame_image(const real *image, size_t height, size_t width, size_t channels, size_t spread,
                        size_t top, size_t left, real *frame, size_t frame_height, size_t frame_width)
{
    for (size_t y = 0; y < height && top + y * spread < frame_height; y++) {
        const real *from = image + y * width * channels;
        real *to = frame + ((top + y * spread) * frame_width + left) * channels;
        if (spread == 1) {
            memcpy(to, from, least(width, frame_width - left) * channels * sizeof(real));
            continue;
        }
        for (size_t x = 0; x < width && left + x * spread < frame_width; x++)
            memcpy(to + x * spread * channels, from + x * channels, channels * sizeof(real));
    }
}

/* TILE neighbouring outputs of one row, LANES channels. */
INLINE void tile(const real *frame, size_t frame_width, size_t channels, const real *taps, size_t kernel,
                 size_t stride, size_t tile_width, real *y)
{
    vec sums[7] = {{0}};
    for (size_t row = 0; row < kernel; row++) {
        const real *from = frame + row * frame_width * channels;
        vec weights[7];
#pragma GCC unroll 7
        for (size_t k = 0; k < kernel; k++)
            weights[k] = load(taps + (row * kernel + k) * channels);
#pragma GCC unroll 24
        for (size_t x = 0; x < (tile_width - 1) * stride + kernel; x++) {
            const vec value = load(from + x * channels);
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

INLINE void convolve_frame(const real *frame, size_t frame_width, size_t channels, const real *taps,
                           size_t kernel, size_t stride, size_t out_height, size_t out_width, real *y)
{
    for (size_t row = 0; row < out_height; row++)
        for (size_t c = 0; c < channels; c += LANES)
            for (size_t column = 0; column < out_width;) {
                const real *from = frame + (row * frame_width + column) * stride * channels + c;
                real *to = y + (row * out_width + column) * channels + c;
                const size_t left = out_width - column;
                if (out_width % 7 == 0) {
                    tile(from, frame_width, channels, taps + c, kernel, stride, 7, to);
                    column += 7;
                } else if (left >= 4) {
                    tile(from, frame_width, channels, taps + c, kernel, stride, 4, to);
                    column += 4;
                } else {
                    tile(from, frame_width, channels, taps + c, kernel, stride, 1, to);
                    column += 1;
                }
            }
}

/* sums[kernel][kernel][channels] += the taps' gradient of one image; ROWS rows of taps at a time, so that
 * enough sums are on their way at once. */
INLINE void tap_rows(const real *frame, size_t frame_width, size_t channels, const real *dy, size_t kernel,
                     size_t stride, size_t out_height, size_t out_width, size_t first, size_t rows, real *sums)
{
    for (size_t c = 0; c < channels; c += LANES) {
        vec found[16] = {{0}};
        for (size_t oy = 0; oy < out_height; oy++) {
            const real *from = frame + (oy * stride + first) * frame_width * channels + c;
            const real *gradient = dy + oy * out_width * channels + c;
            for (size_t ox = 0; ox < out_width; ox++) {
                const vec value = load(gradient + ox * channels);
#pragma GCC unroll 3
                for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 7
                    for (size_t k = 0; k < kernel; k++)
                        found[r * kernel + k] +=
                            value * load(from + (r * frame_width + ox * stride + k) * channels);
            }
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < rows * kernel; i++) {
            real *to = sums + (first * kernel + i) * channels + c;
            store(to, load(to) + found[i]);
        }
    }
}

#define FOR_KERNEL_AND_STRIDE(kernel, stride, call)      \
    do {                                                 \
        if ((kernel) == 3 && (stride) == 1) call(3, 1);  \
        if ((kernel) == 3 && (stride) == 2) call(3, 2);  \
        if ((kernel) == 5 && (stride) == 1) call(5, 1);  \
        if ((kernel) == 5 && (stride) == 2) call(5, 2);  \
        if ((kernel) == 7 && (stride) == 1) call(7, 1);  \
        if ((kernel) == 7 && (stride) == 2) call(7, 2);  \
    } while (0)

/* Returns 0, or -1 without memory. */
int depthwise_forward(const struct shape *s, const real *x, const real *taps, real *y)
{
    const size_t rows = (s->out_height - 1) * s->stride + s->kernel;
    const size_t columns = (s->out_width - 1) * s->stride + s->kernel;
    real *frame = calloc(rows * columns * s->channels, sizeof(real));
    if (!frame)
        return -1;
    for (size_t image = 0; image < s->images; image++) {
        frame_image(x + image * s->height * s->width * s->channels, s->height, s->width, s->channels, 1, s->top,
                    s->left, frame, rows, columns);
        real *to = y + image * s->out_height * s->out_width * s->channels;
#define FORWARD(K, S) \
    convolve_frame(frame, columns, s->channels, taps, K, S, s->out_height, s->out_width, to)
        FOR_KERNEL_AND_STRIDE(s->kernel, s->stride, FORWARD);
    }
    free(frame);
    return 0;
}

/* dx [images][height][width][channels]. `flipped` are the taps turned by 180 degrees: the gradients, one
 * stride apart in a frame of zeros, are convolved with them. Returns 0, or -1 without memory. */
int depthwise_backward_input(const struct shape *s, const real *dy, const real *flipped, real *dx)
{
    const size_t rows = s->height + s->kernel - 1, columns = s->width + s->kernel - 1;
    real *frame = calloc(rows * columns * s->channels, sizeof(real));
    if (!frame)
        return -1;
    for (size_t image = 0; image < s->images; image++) {
        frame_image(dy + image * s->out_height * s->out_width * s->channels, s->out_height, s->out_width,
                    s->channels, s->stride, s->kernel - 1 - s->top, s->kernel - 1 - s->left, frame, rows, columns);
        real *to = dx + image * s->height * s->width * s->channels;
#define BACKWARD(K, S) convolve_frame(frame, columns, s->channels, flipped, K, S, s->height, s->width, to)
        FOR_KERNEL_AND_STRIDE(s->kernel, 1, BACKWARD);
    }
    free(frame);
    return 0;
}

/* dtaps [kernel][kernel][channels]. Returns 0, or -1 without memory. */
int depthwise_backward_taps(const struct shape *s, const real *x, const real *dy, real *dtaps)
{
    const size_t rows = (s->out_height - 1) * s->stride + s->kernel;
    const size_t columns = (s->out_width - 1) * s->stride + s->kernel;
    real *frame = calloc(rows * columns * s->channels, sizeof(real));
    if (!frame)
        return -1;
    memset(dtaps, 0, s->kernel * s->kernel * s->channels * sizeof(real));
    for (size_t image = 0; image < s->images; image++) {
        frame_image(x + image * s->height * s->width * s->channels, s->height, s->width, s->channels, 1, s->top,
                    s->left, frame, rows, columns);
        const real *from = dy + image * s->out_height * s->out_width * s->channels;
#define TAPS(K, S)                                                                                          \
    for (size_t first = 0; first < K; first += K == 3 ? 3 : 1)                                              \
    tap_rows(frame, columns, s->channels, from, K, S, s->out_height, s->out_width, first, K == 3 ? 3 : 1, dtaps)
        FOR_KERNEL_AND_STRIDE(s->kernel, s->stride, TAPS);
    }
    free(frame);
    return 0;
}
