/*
 * A session of pgjdbc that does what it reads from standard input: one request a line, fields between tabs.
 *
 * Requests: ROWS sql parameter.. | PREPARED sql parameter.. -- parameter.. | COPIED sql | PAGED rows sql |
 * CANCELED url-of-the-request-log sql. Parameters are i:number or s:text. Answers: lines "R" value.. (or "N" between
 * results, "L" line of COPY), then "OK" or "E" SQLSTATE message. Null is \N, and \ tab and newline are escaped.
 */

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.postgresql.PGConnection;

public class PgjdbcClient {
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    private final Connection connection;

    private PgjdbcClient(Connection connection) {
        this.connection = connection;
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection connection = DriverManager.getConnection(arguments[0], arguments[1], arguments[2])) {
            new PgjdbcClient(connection).serve();
        }
    }

    private void serve() throws Exception {
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            List<String> fields = List.of(line.split("\t"));
            try {
                handle(fields.get(0), fields.subList(1, fields.size()));
                OUT.println("OK");
            } catch (SQLException error) {
                OUT.println("E\t" + error.getSQLState() + "\t" + escaped(error.getMessage()));
            }
            OUT.flush();
        }
    }

    private void handle(String request, List<String> fields) throws Exception {
        switch (request) {
            case "ROWS" -> prepared(fields.get(0), List.of(fields.subList(1, fields.size())));
            case "PREPARED" -> {
                int end = fields.indexOf("--");
                prepared(fields.get(0), List.of(fields.subList(1, end), fields.subList(end + 1, fields.size())));
            }
            case "COPIED" -> {
                var lines = new StringWriter();
                connection.unwrap(PGConnection.class).getCopyAPI().copyOut(fields.get(0), lines);
                lines.toString().lines().forEach(line -> OUT.println("L\t" + escaped(line)));
            }
            case "PAGED" -> paged(Integer.parseInt(fields.get(0)), fields.get(1));
            case "CANCELED" -> canceled(fields.get(0), fields.get(1));
            default -> throw new IllegalArgumentException(request);
        }
    }

    private void prepared(String sql, List<List<String>> parameterSets) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (List<String> parameters : parameterSets) {
                if (parameters != parameterSets.get(0)) {
                    OUT.println("N");
                }
                for (int i = 0; i < parameters.size(); i++) {
                    String value = parameters.get(i).substring(2);
                    if (parameters.get(i).startsWith("i:")) {
                        statement.setInt(i + 1, Integer.parseInt(value));
                    } else {
                        statement.setString(i + 1, value);
                    }
                }
                if (statement.execute()) {
                    print(statement.getResultSet());
                }
            }
        }
    }

    private void paged(int pageRows, String sql) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(pageRows);
            print(statement.executeQuery(sql));
        } finally {
            connection.rollback();
            connection.setAutoCommit(true);
        }
    }

    private void canceled(String log, String sql) throws Exception {
        try (Statement statement = connection.createStatement()) {
            var waiting = new Thread(() -> cancelOnceAsked(log, statement));
            waiting.start();
            try {
                print(statement.executeQuery(sql));
            } finally {
                waiting.join();
            }
        }
    }

    private static void cancelOnceAsked(String log, Statement statement) {
        var request = HttpRequest.newBuilder(URI.create(log)).build();
        try {
            var client = HttpClient.newHttpClient();
            while (client.send(request, HttpResponse.BodyHandlers.ofString()).body().strip().equals("[]")) {
                Thread.onSpinWait();
            }
            statement.cancel();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private static void print(ResultSet rows) throws SQLException {
        int count = rows.getMetaData().getColumnCount();
        while (rows.next()) {
            var line = new StringBuilder("R");
            for (int i = 1; i <= count; i++) {
                String value = rows.getString(i);
                line.append('\t').append(value == null ? "\\N" : escaped(value));
            }
            OUT.println(line);
        }
    }

    private static String escaped(String text) {
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n");
    }
}
