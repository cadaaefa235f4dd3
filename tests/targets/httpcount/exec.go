package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const (
	// generationVariable counts how often the program has executed itself.
	generationVariable = "HTTPCOUNT_GENERATION"
	// listenerVariable holds the descriptor of the socket taken over from the last generation.
	listenerVariable = "HTTPCOUNT_LISTENER"
	// serviceVariable names the service; each generation gets a name of its own.
	serviceVariable = "OTEL_SERVICE_NAME"
)

// open listens, on the socket of the last generation when there is one.
func open(address string) (*net.TCPListener, error) {
	inherited, err := strconv.Atoi(os.Getenv(listenerVariable))
	if err != nil {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		return listener.(*net.TCPListener), nil
	}
	file := os.NewFile(uintptr(inherited), "listener")
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

// exec answers the request in full and then replaces the program by itself: same pid, same socket,
// next generation. Requests in flight are lost with their connections.
func (s *server) exec(w http.ResponseWriter, _ *http.Request) {
	if s.generation >= s.selfexec {
		http.Error(w, "no generation is left", http.StatusConflict)
		return
	}
	next := s.generation + 1
	answer := fmt.Sprintln(next)
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	fmt.Fprint(w, answer)
	w.(http.Flusher).Flush()
	if err := s.replace(next); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func (s *server) replace(generation int) error {
	descriptor, err := inheritable(s.listener)
	if err != nil {
		return err
	}
	environment := []string{
		generationVariable + "=" + strconv.Itoa(generation),
		listenerVariable + "=" + strconv.Itoa(descriptor),
		serviceVariable + "=count-" + strconv.Itoa(generation),
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if name != generationVariable && name != listenerVariable && name != serviceVariable {
			environment = append(environment, variable)
		}
	}
	return syscall.Exec("/proc/self/exe", os.Args, environment)
}

// inheritable duplicates the socket to a descriptor that stays open across exec.
func inheritable(listener *net.TCPListener) (int, error) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return 0, err
	}
	var descriptor int
	var failed error
	if err := raw.Control(func(fd uintptr) { descriptor, failed = syscall.Dup(int(fd)) }); err != nil {
		return 0, err
	}
	return descriptor, failed
}
