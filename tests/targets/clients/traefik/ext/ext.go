// Package ext is empty, as in Traefik's own tree: its module is not published.
package ext

// HTTP has no further fields.
type HTTP struct{}

// Router has no further fields.
type Router struct{}
