/* A handwritten model, small enough to compute by hand: 12 pixels in, three classes out. */
#ifndef TOY_MODEL_H
#define TOY_MODEL_H

#include "mcu_model.h"

#define TOY_ARENA_BYTES 12 /* all of it is the input */

extern const struct mcu_model toy_model;

#endif
