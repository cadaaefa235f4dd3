//go:build withc
// +build withc

package main

// static int seven(void) { return 7; }
import "C"

func callC() { C.seven() }
