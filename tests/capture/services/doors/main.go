// Doors serves pprof behind whatever door a test asks for: sockets, prefixes, TLS, credentials,
// with or without counters. It prints "listening ADDRESS" for each of its listeners.
package main

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"expvar"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"strings"
)

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

var (
	listen list
	silent list

	prefix   = flag.String("prefix", "/debug/pprof", "path of pprof; empty for none")
	counters = flag.String("counters", "expvar", "expvar, metrics or none")
	user     = flag.String("user", "", "name:password of basic authentication")
	token    = flag.String("token", "", "bearer token")
	host     = flag.String("host", "", "the only Host that is served")
	ignoreGC = flag.Bool("ignore-gc", false, "drop the gc parameter of the heap profile")
	noText   = flag.Bool("no-text", false, "refuse debug=1")
	cert     = flag.String("cert", "", "certificate file: serve TLS")
	key      = flag.String("key", "", "key file")
	clientCA = flag.String("client-ca", "", "CA file: require client certificates")
)

var held = make([]byte, 3<<20)

func main() {
	flag.Var(&listen, "listen", "host:port, unix:/path or unix:@name; repeatable")
	flag.Var(&silent, "silent", "a listener that accepts and never answers; repeatable")
	flag.Parse()
	var names []string
	for _, address := range silent {
		l, _ := open(address)
		go swallow(l)
	}
	for _, address := range listen {
		l, name := open(address)
		names = append(names, name)
		go func() { log.Fatal(http.Serve(l, guard(mux()))) }()
	}
	for _, name := range names {
		fmt.Println("listening", name)
	}
	select {}
}

func open(address string) (net.Listener, string) {
	network, where := "tcp", address
	if path, found := strings.CutPrefix(address, "unix:"); found {
		network, where = "unix", path
	}
	l, err := net.Listen(network, where)
	if err != nil {
		log.Fatal(err)
	}
	if network == "unix" {
		return l, address
	}
	if *cert == "" {
		return l, "http://" + l.Addr().String()
	}
	return tls.NewListener(l, tlsConfig()), "https://" + l.Addr().String()
}

func tlsConfig() *tls.Config {
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	if *clientCA != "" {
		pem, err := os.ReadFile(*clientCA)
		if err != nil {
			log.Fatal(err)
		}
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pem)
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config
}

func swallow(l net.Listener) {
	var kept []net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		kept = append(kept, c)
	}
}

func mux() http.Handler {
	m := http.NewServeMux()
	if *prefix != "" {
		m.HandleFunc(*prefix+"/cmdline", pprof.Cmdline)
		for _, name := range []string{"goroutine", "goroutineleak"} {
			m.Handle(*prefix+"/"+name, pprof.Handler(name))
		}
		m.HandleFunc(*prefix+"/heap", heap)
	}
	switch *counters {
	case "expvar":
		m.Handle("/debug/vars", expvar.Handler())
	case "metrics":
		m.HandleFunc("/metrics", metrics)
	}
	return m
}

func heap(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if *noText && query.Get("debug") != "" {
		http.Error(w, "no text here", http.StatusForbidden)
		return
	}
	if *ignoreGC {
		query.Del("gc")
		r.URL.RawQuery = query.Encode()
		r.Form, r.PostForm = nil, nil
	}
	pprof.Handler("heap").ServeHTTP(w, r)
}

func metrics(w http.ResponseWriter, r *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(w, "# TYPE go_memstats_heap_alloc_bytes gauge\n")
	fmt.Fprintf(w, "go_memstats_heap_alloc_bytes %d\n", m.HeapAlloc)
	fmt.Fprintf(w, "go_memstats_last_gc_time_seconds %v\n", float64(m.LastGC)/1e9)
	fmt.Fprintf(w, "go_gc_duration_seconds_count %d\n", m.NumGC)
}

func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if *host != "" && r.Host != *host {
			http.Error(w, "host not allowed", http.StatusForbidden)
			return
		}
		name, password, _ := r.BasicAuth()
		if *user != "" && !same(name+":"+password, *user) {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		if *token != "" && !same(r.Header.Get("Authorization"), "Bearer "+*token) {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
