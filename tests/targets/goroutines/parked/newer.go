//go:build go1.23

package main

import "iter"

func init() {
	kinds = append(kinds,
		func() { go wait[string]() },
		func() {
			next, _ := iter.Pull(count)
			next()
			coroutines = append(coroutines, next)
		},
	)
}

var coroutines []func() (int, bool)

func wait[T any]() { <-make(chan T) }

func count(yield func(int) bool) {
	for number := 0; yield(number); number++ {
	}
}
