//go:build !withc
// +build !withc

package main

func callC() {}
