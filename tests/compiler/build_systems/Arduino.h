// What the generated sketch uses of Arduino's core, on this computer: Serial prints to stdout, time stands still.
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stdint.h>
#include <stdio.h>

struct SerialPort {
    void begin(unsigned long) {}
    void print(const char *text) { fputs(text, stdout); }
    void print(int number) { printf("%d", number); }
    void println(unsigned long number) { printf("%lu\n", number); }
    void println(double number, int digits) { printf("%.*f\n", digits, number); }
};

extern SerialPort Serial;

inline unsigned long micros() { return 0; }
inline void delay(unsigned long) {}

void setup();
void loop();

#endif
