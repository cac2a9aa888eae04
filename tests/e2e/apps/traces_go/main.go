// SPDX-License-Identifier: Apache-2.0

// lib/traces.py's work by net/http, database/sql and go-redis, in the request's goroutine.
// Arguments: the port, that of Redis, the URL of PostgreSQL.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
)

var commands = []string{"GET", "STRLEN", "EXISTS", "TTL", "TYPE", "PTTL", "HLEN", "SCARD"}
var statements = []string{
	"SHOW server_version",
	"EXPLAIN SELECT 'S3CRETSQL'",
	"SET application_name = 'S3CRETSET'",
	"DO $$ BEGIN PERFORM 'S3CRETDO'; END $$",
}

func chosen(list []string, bits int) (ret []string) {
	for i, text := range list {
		if bits>>i&1 != 0 {
			ret = append(ret, text)
		}
	}
	return ret
}

func ask(ctx context.Context, database *sql.DB, cache *redis.Client, number int) error {
	for _, name := range chosen(commands, number%255+1) {
		if err := cache.Do(ctx, name, "key").Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	for _, text := range chosen(statements, number/3%15+1) {
		rows, err := database.QueryContext(ctx, text)
		if err != nil {
			return err
		}
		for rows.Next() {
		}
		rows.Close()
	}
	return nil
}

func main() {
	database, err := sql.Open("pgx", os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	database.SetMaxOpenConns(20)
	database.SetMaxIdleConns(20)
	cache := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[2]})
	http.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		path := request.URL.Path
		number, err := strconv.Atoi(path[strings.LastIndex(path, "/")+1:])
		if err == nil {
			err = ask(request.Context(), database, cache, number)
		}
		if err != nil {
			http.Error(writer, err.Error(), 500)
			return
		}
		fmt.Fprintf(writer, "ZID%dZ", number)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
