package main

import (
	"net/url"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Nobody sends to never, and nobody receives from full.
var never, full = make(chan int), make(chan int)

// kinds are ways to wait; each is begun at a place of its own.
var kinds = []func(){
	func() { go receive(never) },
	func() { go func() { <-never }() },
	func() { go func() { full <- 1 }() },
	func() { go (&worker{jobs: make(chan int)}).run() },
	func() { go deep(30) },
	func() { go func() { select {} }() },
	func() {
		go func() {
			select {
			case <-never:
			case <-make(chan bool):
			}
		}()
	},
	func() {
		go func() {
			var none chan int
			<-none
		}()
	},
	func() { go time.Sleep(100 * time.Hour) },
	func() { go held.Lock() },
	func() { go group.Wait() },
	func() {
		go func() {
			turn.L.Lock()
			turn.Wait()
		}()
	},
	func() {
		reader := pipe()
		go reader.Read(make([]byte, 1))
	},
	func() {
		descriptor := int(pipe().Fd())
		go func() {
			runtime.LockOSThread()
			syscall.Read(descriptor, make([]byte, 1))
		}()
	},
}

var (
	held  = lockedMutex()
	group = waitGroup()
	turn  = sync.NewCond(&sync.Mutex{})
	pipes []*os.File
)

// park begins ?count= goroutines of the first kind, one more of the second, and so on. The goroutine that
// runs finalizers waits for one of them, and so becomes one of the program.
func park(query url.Values) string {
	for index, begin := range kinds {
		for left := number(query, "count") + index; left > 0; left-- {
			begin()
		}
	}
	runtime.SetFinalizer(&worker{}, func(*worker) { <-never })
	runtime.GC()
	return ""
}

// many begins ?count= goroutines that wait for nothing.
func many(query url.Values) string {
	for left := number(query, "count"); left > 0; left-- {
		go receive(never)
	}
	return ""
}

//go:noinline
func receive(from chan int) { <-from }

type worker struct{ jobs chan int }

func (w *worker) run() {
	for range w.jobs {
	}
}

//go:noinline
func deep(left int) int {
	if left == 0 {
		return <-never
	}
	return deep(left-1) + left
}

func lockedMutex() *sync.Mutex {
	var mutex sync.Mutex
	mutex.Lock()
	return &mutex
}

func waitGroup() *sync.WaitGroup {
	var group sync.WaitGroup
	group.Add(1)
	return &group
}

// pipe is the end of a pipe that nobody writes to.
func pipe() *os.File {
	reader, writer, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	pipes = append(pipes, reader, writer)
	return reader
}
