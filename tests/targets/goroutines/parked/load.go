package main

import (
	"net/url"
	"os"
	"sync"
	"time"
)

// leak begins ?rate= goroutines a second that never end.
func leak(query url.Values) string {
	every := time.Second / time.Duration(number(query, "rate"))
	go func() {
		for range time.Tick(every) {
			go leaked(make(chan int))
		}
	}()
	return ""
}

func leaked(result chan int) { <-result }

// leakAll is a leak at several places at once, each of which waits in another way.
func leakAll(query url.Values) string {
	every := time.Second / time.Duration(number(query, "rate"))
	for _, begin := range []func(){leakInSelect, leakAtMutex, leakAtGroup, leakAtCond} {
		go func(begin func()) {
			for range time.Tick(every) {
				begin()
			}
		}(begin)
	}
	return ""
}

func leakInSelect() {
	result, stop := make(chan int), make(chan bool)
	go func() {
		select {
		case <-result:
		case <-stop:
		}
	}()
}

func leakAtMutex() { go held.Lock() }

func leakAtGroup() { go group.Wait() }

func leakAtCond() {
	go func() {
		turn.L.Lock()
		turn.Wait()
	}()
}

// busy keeps ?count= goroutines that come and go: each waits a little and is followed by another.
func busy(query url.Values) string {
	for seat := 0; seat < number(query, "count"); seat++ {
		go sit(time.Duration(100+seat%1000) * time.Millisecond)
	}
	return ""
}

func sit(wait time.Duration) {
	done := make(chan bool)
	time.AfterFunc(wait, func() { close(done) })
	<-done
	go sit(wait)
}

// healthy behaves as good services do: pools that grow and stay, workers that share work, bursts, clients
// that come in numbers and stay, and a back end that is away at times.
func healthy(url.Values) string {
	go growingPool(300, 100*time.Millisecond)
	go workers(1000)
	go connections(400, 100*time.Millisecond)
	go bursts(2000, 20*time.Second, 8*time.Second)
	go clients(100, 25*time.Second, 3*time.Minute)
	go outages(100, 30*time.Second, 100*time.Second)
	return ""
}

// growingPool adds a member every so often until it is full; all members share the work.
func growingPool(size int, every time.Duration) {
	jobs := make(chan int)
	go feed(jobs)
	for member := 0; member < size; member++ {
		go serve(jobs)
		time.Sleep(every)
	}
}

func workers(size int) {
	jobs := make(chan int)
	for worker := 0; worker < size; worker++ {
		go serve(jobs)
	}
	feed(jobs)
}

func feed(jobs chan int) {
	for range time.Tick(5 * time.Millisecond) {
		for job := 0; job < 20; job++ {
			jobs <- job
		}
	}
}

func serve(jobs chan int) {
	for range jobs {
	}
}

// connections opens idle connections one after the other, and keeps them.
func connections(count int, every time.Duration) {
	for connection := 0; connection < count; connection++ {
		reader := pipe()
		go reader.Read(make([]byte, 1))
		time.Sleep(every)
	}
}

// bursts begins so many goroutines at once, which wait for one another.
func bursts(size int, every, length time.Duration) {
	for {
		var gate sync.WaitGroup
		gate.Add(1)
		for one := 0; one < size; one++ {
			go gate.Wait()
		}
		time.Sleep(length)
		gate.Done()
		time.Sleep(every - length)
	}
}

// clients connect at a rate for some time, stay, leave together and come again. Each has a goroutine that
// reads and one that waits for what is to be written, or for the end.
func clients(rate int, length, every time.Duration) {
	for {
		left := make(chan bool)
		for began := time.Now(); time.Since(began) < length; time.Sleep(time.Second / time.Duration(rate)) {
			reader, peer, err := os.Pipe()
			if err != nil {
				panic(err)
			}
			go readLoop(reader)
			go writeLoop(make(chan []byte), left, peer)
		}
		time.Sleep(every - length)
		close(left)
	}
}

func readLoop(client *os.File) {
	client.Read(make([]byte, 1))
	client.Close()
}

func writeLoop(frames chan []byte, left chan bool, peer *os.File) {
	select {
	case frame := <-frames:
		peer.Write(frame)
	case <-left:
	}
	peer.Close()
}

// outages is a back end that is away for some time: requests come, and wait until it is back. At other times
// it answers soon.
func outages(rate int, length, every time.Duration) {
	there := make(chan bool)
	close(there)
	for {
		requests(rate, every-length, there)
		away := make(chan bool)
		requests(rate, length, away)
		close(away)
	}
}

// requests come for some time; their back end answers when it is there.
func requests(rate int, length time.Duration, there chan bool) {
	for began := time.Now(); time.Since(began) < length; time.Sleep(time.Second / time.Duration(rate)) {
		go request(there)
	}
}

func request(there chan bool) {
	select {
	case <-there:
		time.Sleep(30 * time.Millisecond)
	case <-time.After(time.Minute):
	}
}
