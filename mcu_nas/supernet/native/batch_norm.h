/* Batch norm by the batch's statistics and the activation after it, for training.
 *
 *   x, y, dx, dy [pixels][channels]   gain, shift, dgain, dshift [channels]
 *   saved [4][channels]: mean, 1 / sqrt(variance + epsilon), and factor and offset of y = x * factor + offset
 *
 * The activation is a clamp to low..high, whose gradient is 0 at both.
 * Functions that return int return 0, or -1 without memory.
 */
#ifndef MCU_NAS_BATCH_NORM_H
#define MCU_NAS_BATCH_NORM_H

#include "vector.h"

enum { MEAN, INVERSE, FACTOR, OFFSET };

/* Fills `saved`. */
int batch_norm_statistics(const real *x, size_t pixels, size_t channels, const real *gain, const real *shift,
                          double epsilon, real *saved);

/* Fills `saved`, too. */
int batch_norm_forward(const real *x, size_t pixels, size_t channels, const real *gain, const real *shift,
                       double epsilon, double low, double high, real *saved, real *y);

int batch_norm_backward(const real *x, const real *dy, size_t pixels, size_t channels, const real *saved,
                        double low, double high, real *dx, real *dgain, real *dshift);

/* The backward pass in two: sums (so many doubles, zero at first) over any number of parts of the pixels,
 * then the gradients of all of them. dx may be dy. */
size_t batch_norm_sums(size_t channels);

void batch_norm_add_gradients(const real *x, const real *dy, size_t pixels, size_t channels, const real *saved,
                              double low, double high, double *sums);

int batch_norm_finish_gradients(const real *x, const real *dy, size_t pixels, size_t channels, const real *saved,
                                double low, double high, const double *sums, real *dx, real *dgain, real *dshift);

#endif
